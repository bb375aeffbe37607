"""Every table, so that `from db.models import Account` is enough."""

from db.models.admission import (
    ApproverRole,
    ApproverScope,
    PortalToken,
    Registration,
)
from db.models.api_tokens import ApiToken
from db.models.append_only import AppendOnly
from db.models.base import Base
from db.models.certificates import Certificate
from db.models.codes import SentCode, VerifiedContact
from db.models.counts import PageCount
from db.models.directory import DirectoryEntry
from db.models.dynamic import CoaRequest
from db.models.evidence import CustodyStep, Disclosure, Exhibit
from db.models.gateways import GatewayGrant, GatewayNonce, GrantedSession, WebGrant
from db.models.guardians import GuardianConsent
from db.models.ledger import (
    AccountingEvent,
    AddressInterval,
    AuthEvent,
    NasBoot,
    NetworkSession,
)
from db.models.messages import Message
from db.models.network import NasClient, UnknownNas
from db.models.notices import NoticeGiven, NoticeText
from db.models.onboarding import CertificateFile
from db.models.operation import AuditEvent, Gap, Revision, ServiceRun
from db.models.people import Account, Credential, OfficerLevel, Organisation, Person, Role
from db.models.published import PublishedText, TextAccepted
from db.models.registering import ProvisionalGrant, RoleRegistration
from db.models.registers import RegisterEntry, RegisterStep
from db.models.relay import RelayOutbox
from db.models.retention import ArchiveMove, Hold
from db.models.selfservice import DeviceName
from db.models.unlocking import UnlockRequest
from db.models.usage import UsageDay
from db.models.vouchers import OpenVisit, Voucher, VoucherBatch, VoucherDevice, VoucherGuess

__all__ = [
    "Account",
    "AccountingEvent",
    "AddressInterval",
    "ApiToken",
    "AppendOnly",
    "ApproverRole",
    "ApproverScope",
    "ArchiveMove",
    "AuditEvent",
    "AuthEvent",
    "Base",
    "Certificate",
    "CertificateFile",
    "CoaRequest",
    "CustodyStep",
    "Credential",
    "DeviceName",
    "DirectoryEntry",
    "Disclosure",
    "Exhibit",
    "Gap",
    "GuardianConsent",
    "Hold",
    "GatewayGrant",
    "GatewayNonce",
    "GrantedSession",
    "Message",
    "NasBoot",
    "NasClient",
    "NetworkSession",
    "NoticeGiven",
    "NoticeText",
    "OpenVisit",
    "OfficerLevel",
    "Organisation",
    "PageCount",
    "Person",
    "PortalToken",
    "ProvisionalGrant",
    "PublishedText",
    "RegisterEntry",
    "RegisterStep",
    "Registration",
    "RelayOutbox",
    "Revision",
    "Role",
    "RoleRegistration",
    "SentCode",
    "ServiceRun",
    "TextAccepted",
    "UnknownNas",
    "UnlockRequest",
    "UsageDay",
    "VerifiedContact",
    "Voucher",
    "VoucherBatch",
    "VoucherDevice",
    "VoucherGuess",
    "WebGrant",
]
