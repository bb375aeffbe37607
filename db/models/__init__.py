"""Every table, so that `from db.models import Account` is enough."""

from db.models.admission import (
    ApproverRole,
    ApproverScope,
    PortalToken,
    Registration,
    Voucher,
    VoucherBatch,
    VoucherDevice,
)
from db.models.base import Base
from db.models.certificates import Certificate
from db.models.directory import DirectoryEntry
from db.models.dynamic import CoaRequest
from db.models.ledger import (
    AccountingEvent,
    AddressInterval,
    AuthEvent,
    NasBoot,
    NetworkSession,
)
from db.models.network import NasClient, UnknownNas
from db.models.operation import AuditEvent, Gap, Revision, ServiceRun
from db.models.people import Account, Credential, OfficerLevel, Organisation, Person, Role
from db.models.relay import RelayOutbox
from db.models.unlocking import UnlockRequest
from db.models.usage import UsageDay

__all__ = [
    "Account",
    "AccountingEvent",
    "AddressInterval",
    "ApproverRole",
    "ApproverScope",
    "AuditEvent",
    "AuthEvent",
    "Base",
    "Certificate",
    "CoaRequest",
    "Credential",
    "DirectoryEntry",
    "Gap",
    "NasBoot",
    "NasClient",
    "NetworkSession",
    "OfficerLevel",
    "Organisation",
    "Person",
    "PortalToken",
    "Registration",
    "RelayOutbox",
    "Revision",
    "Role",
    "ServiceRun",
    "UnknownNas",
    "UnlockRequest",
    "UsageDay",
    "Voucher",
    "VoucherBatch",
    "VoucherDevice",
]
