"""The realm proxy: logins of foreign realms are asked of their home servers. RFC 2865 2.3."""
