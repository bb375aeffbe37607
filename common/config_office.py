"""The sections about duties towards others: the clock, and who answers for the office."""

from __future__ import annotations

from pydantic import Field, field_validator

from common.config_section import Section


class Clock(Section):
    servers: tuple[str, ...] = (
        "time1.nimt.or.th",
        "clock.nectec.or.th",
        "time.navy.mi.th",
        "th.pool.ntp.org",
    )
    """Asked (SNTP) where chrony does not run: names or addresses, with `:port` where it is not
    123. At least three, because of two that differ nobody knows which is wrong; or none."""
    equipment: tuple[str, ...] = ()
    """Equipment that answers NTP, so that its clock can be proven to the millisecond."""
    chronyc: str = "chronyc"
    """Command that asks the chrony of this machine; empty: it is not asked."""
    limit_ms: float = Field(default=10.0, gt=0, le=1000)
    """Beyond it, offset and error together are an alarm. Ten is the figure of the notification
    of B.E. 2550; whether that of B.E. 2564 keeps it is not confirmed."""
    sample_minutes: int = Field(default=60, ge=1, le=60)
    """At least each hour."""
    answer_seconds: float = Field(default=2.0, ge=0.2, le=10)
    """For one server's answer; one farther away proves little anyway."""

    @field_validator("servers")
    @classmethod
    def _enough(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value and len(set(value)) < 3:
            raise ValueError("name at least three servers: of two that differ one is wrong")
        return value


class OfficeDuties(Section):
    """Who answers, and by when. Printed in the compliance report, on notices and on drafts."""

    name: str = ""
    """The office's name in letters; empty: that of [site]."""
    address: str = ""
    """Below it; several lines are allowed."""
    document_prefix: str = ""
    """What the office's letters are numbered with, such as "ศธ 04321"."""
    signatory: str = ""
    """Who signs letters about evidence; empty: left to be filled in by hand."""
    signatory_position: str = ""
    coordinator: str = ""
    """Who gives information to officials (name and position)."""
    coordinator_contact: str = ""
    deputy: str = ""
    deputy_contact: str = ""
    data_protection_contact: str = ""
    """Whom people ask about their personal data; empty: the coordinator."""
    request_days: int = Field(default=7, ge=7, le=15)
    """Until an official request is due. An officer may set up to 15 for one request."""
    subject_days: int = Field(default=30, ge=1, le=30)
    """Until a request of a data subject is due."""
    warn_days: int = Field(default=2, ge=0, le=14)
    """So long before, doctor and dashboard remind."""

    def named(self, duty: str) -> str:
        """`coordinator` or `deputy` with the contact; empty when nobody is named."""
        return " ".join(filter(None, (getattr(self, duty), getattr(self, f"{duty}_contact"))))

    @property
    def data_contact(self) -> str:
        """Whom people ask about their data; empty when nobody is named."""
        return self.data_protection_contact or self.named("coordinator")
