-- Two roles for PostgreSQL, so that the service itself cannot change evidence.
--
--   psql -d yuenyan -v service_password=… -v mover_password=… -f deploy/postgresql/roles.sql
--
-- Run it as the owner of the tables after `yuenyan init`, and again after every upgrade: it may
-- be repeated. The owner's own password belongs to nobody who runs the service from day to day.
--   yuenyan_service   everything but UPDATE, DELETE and TRUNCATE of evidence
--   yuenyan_mover     as well DELETE and UPDATE of it, behind the trigger's lift: for the
--                     housekeeper, whose own configuration names this role
\set ON_ERROR_STOP on
SELECT format('CREATE ROLE yuenyan_service LOGIN PASSWORD %L', :'service_password')
  WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'yuenyan_service') \gexec
SELECT format('CREATE ROLE yuenyan_mover LOGIN PASSWORD %L', :'mover_password')
  WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'yuenyan_mover') \gexec

GRANT USAGE ON SCHEMA public TO yuenyan_service, yuenyan_mover;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public
  TO yuenyan_service, yuenyan_mover;
GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO yuenyan_service, yuenyan_mover;

REVOKE UPDATE, DELETE, TRUNCATE ON audit_event, accounting_event, auth_event FROM yuenyan_service;
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON append_only FROM yuenyan_service;
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON alembic_version FROM yuenyan_service, yuenyan_mover;
REVOKE INSERT, DELETE, TRUNCATE ON append_only FROM yuenyan_mover;
