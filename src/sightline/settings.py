"""The one settings table: it feeds file, environment, command line, docs and tests.

A value comes from, in this order: the command line, a variable `SIGHTLINE_<NAME>`,
`sightline.toml` in the data directory, the default.
"""

import json
import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from sightline.errors import BadSettings

LEAST_AGREEMENT = 0.995
Port = Annotated[int, Field(ge=0, le=65535)]
_HOST_AND_PORT = r"^((\[[0-9a-fA-F:.]+\]|[^@:/\s]+):\d{1,5}(/tls)?)?$"


class Settings(BaseSettings):
    """Everything a site can set. Read once at start, then passed down."""

    model_config = SettingsConfigDict(env_prefix="SIGHTLINE_", frozen=True, extra="forbid")

    data_dir: Path = Field(
        default=Path("sightline-data"), description="Folder that holds everything Sightline keeps."
    )
    host: str = Field(
        default="127.0.0.1",
        description="Address to listen on. Keep it on loopback: there are no accounts yet.",
    )
    web_port: Port = Field(default=8042, description="Port of the web pages and DICOMweb.")
    dimse_port: Port = Field(default=11112, description="Port of the DICOM listener.")
    ae_title: str = Field(
        default="SIGHTLINE", max_length=16, description="Our application entity title."
    )
    pacs: str = Field(
        default="",
        description="Where results are sent: by C-STORE as `AETITLE@host:port`, or by STOW-RS as "
        "`https://host/dicom-web`. Empty: nowhere.",
    )
    results_hl7: str = Field(
        default="",
        pattern=_HOST_AND_PORT,
        description="Who is told of results by HL7 v2 (MLLP, ORU^R01), as `host:port`, with `/tls` "
        "behind where it speaks TLS. Empty: nobody.",
    )
    results_fhir: str = Field(
        default="",
        pattern=r"^(https?://[^/@?#\s]+(/[^?#\s]*)?)?$",
        description="Who is told of results by FHIR R4: the base of a server, such as "
        "`https://host/fhir`, where a transaction is posted. Empty: nobody.",
    )
    results_fhir_systems: dict[str, str] = Field(
        default={},
        description="By issuer of patient ids, the URI by which that FHIR server knows it: a table "
        "in the file, JSON in the variable.",
    )
    alert_mail: str = Field(
        default="",
        description="Who is told of time-critical findings by e-mail: addresses, with commas "
        "between. A mail names no patient; it leads to the page. Empty: nobody.",
    )
    alert_escalation_mail: str = Field(
        default="",
        description="Who is told, too, where nobody acknowledged one in the time that its recipe "
        "gives. Empty: nobody.",
    )
    alert_hl7: str = Field(
        default="",
        pattern=_HOST_AND_PORT,
        description="Who is told of time-critical findings by HL7 v2 (MLLP, ORU^R01, marked as "
        "critical), as `host:port`, with `/tls` behind where it speaks TLS. Empty: nobody.",
    )
    alert_repeat_min: float = Field(
        default=5.0,
        gt=0,
        description="Minutes after which they are told again while nobody acknowledged.",
        json_schema_extra={"unit": "min"},
    )
    mail_server: str = Field(
        default="",
        pattern=_HOST_AND_PORT,
        description="SMTP server that takes our mail, as `host:port`, with `/tls` behind where it "
        "speaks TLS from the start; STARTTLS is used where it is offered.",
    )
    mail_from: str = Field(default="sightline@localhost", description="Sender of our mail.")
    site_address: str = Field(
        default="",
        pattern=r"^(https?://[^/@?#\s]+)?$",
        description="How people reach the pages, such as `https://sightline.hospital.example`; it "
        "stands in mail. Empty: the address that is listened on.",
    )
    default_issuers: str = Field(
        default="",
        description="Whose patient ids a sender means that names no issuer: `SENDER=ISSUER` pairs, "
        "comma-separated. A sender is an AE title, `import`, `watch`, `stow`, or an HL7 sending "
        "facility; `*` is every other one. Set it before the first study comes.",
    )
    hl7_port: Port = Field(
        default=0, description="Port of the HL7 v2 listener (MLLP). 0: it does not listen."
    )
    max_message_bytes: int = Field(
        default=4 * 1024**2,
        ge=1024,
        description="Largest HL7 message taken.",
        json_schema_extra={"unit": "byte"},
    )
    peers: dict[str, str] = Field(
        default={},
        description=(
            "Other systems by name, each `AETITLE@host:port`: a table in the file, JSON in the "
            "variable. One that sends to us is asked by C-FIND whether a study is whole; where it "
            "sends under another title than it is asked under, that title is its name here."
        ),
    )
    deid_profile: str = Field(
        default="hub",
        description="What may leave the archive for the hub: a profile of Sightline, `hub` or "
        "`basic`, or the path of a site's own `.yaml` file.",
    )
    watch_dir: str = Field(
        default="",
        description="Folder whose files are imported and then moved to `taken` or `refused` in it. "
        "Empty: none.",
    )
    watch_quiet_s: float = Field(
        default=5.0,
        gt=0,
        description="A file of the watched folder is whole when it stood still for so long.",
        json_schema_extra={"unit": "s"},
    )
    quiet_period_s: float = Field(
        default=5.0,
        gt=0,
        description=(
            "Without better evidence a study is complete when its associations ended and nothing "
            "came for so long; for a sender that is known, what it has shown decides."
        ),
        json_schema_extra={"unit": "s"},
    )
    min_quiet_period_s: float = Field(
        default=1.0,
        gt=0,
        description="The least that is waited for more, whatever a sender has shown.",
        json_schema_extra={"unit": "s"},
    )
    max_quiet_period_s: float = Field(
        default=120.0,
        gt=0,
        description=(
            "The most that is waited for more, where the evidence says that something is missing: "
            "then the study is complete as it is, and says so."
        ),
        json_schema_extra={"unit": "s"},
    )
    max_pdu_bytes: int = Field(
        default=131072,
        ge=4096,
        description="Largest PDU offered and accepted.",
        json_schema_extra={"unit": "byte"},
    )
    max_instance_bytes: int = Field(
        default=2 * 1024**3,
        ge=1024**2,
        description="Largest instance taken by C-STORE; it is held in memory while it comes.",
        json_schema_extra={"unit": "byte"},
    )
    max_associations: int = Field(
        default=64, ge=1, description="DICOM associations at a time, in each receiver."
    )
    max_associations_per_address: int = Field(
        default=32, ge=1, description="Those from one address, so that no host takes all of them."
    )
    receivers: int = Field(
        default=2, ge=1, description="Processes that receive on the port of the DICOM listener."
    )
    check_called_ae: bool = Field(
        default=False, description="Reject an association that calls us by another title than ours."
    )
    allowed_calling_aes: str = Field(
        default="",
        description="AE titles that may associate, with commas between. Empty: all may.",
    )
    allowed_addresses: str = Field(
        default="",
        description="Addresses and networks that may connect to the DICOM listener, with commas "
        "between, such as `10.1.2.3, 10.1.0.0/16`. Empty: all may.",
    )
    tls_certificate: Path | None = Field(
        default=None,
        description="PEM file with our certificate. With it the DICOM listener speaks TLS alone.",
    )
    tls_key: Path | None = Field(
        default=None, description="PEM file with its key, where the certificate's has none."
    )
    tls_ca: Path | None = Field(
        default=None,
        description="PEM file with the authorities we trust: callers must then show a certificate "
        "of theirs, and peers that we call by TLS are held to it.",
    )
    max_outbox_attempts: int = Field(
        default=30, ge=1, description="Attempts to deliver a result before it is marked failed."
    )
    catalog_url: str = Field(
        default="",
        description="Where the catalogs of archive and hub lie, such as "
        "`postgresql://user@host/sightline`. Empty: SQLite files in the data directory.",
    )
    objects_url: str = Field(
        default="",
        description="Where objects lie, such as `s3://bucket/prefix`; endpoint and credentials "
        "come from the AWS variables of the environment. Empty: the data directory.",
    )
    threads: int = Field(
        default=0, ge=0, description="Threads for learning and inference. 0: one a core."
    )
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="Where models are trained: `cpu`, `cuda` or `cuda:1`. `auto`: on a GPU where "
        "there is one.",
    )
    least_agreement: float = Field(
        default=LEAST_AGREEMENT,
        ge=0,
        le=1,
        description="How well a faster back end must agree with a model as it was trained: the "
        "lowest Dice of any class. 1: bit for bit.",
    )
    models_memory_gb: float = Field(
        default=0,
        ge=0,
        description="Memory of a process that predicts, with the models it keeps loaded: the one "
        "that was used longest ago leaves first. 0: half of what the machine, or its container, "
        "has left when the process starts.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least severe event that is logged."
    )
    log_json: bool = Field(default=False, description="Log JSON lines instead of text.")

    @classmethod
    def settings_customise_sources(  # noqa: PLR0917 - pydantic calls it by position
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the command line first, then the environment, then the file."""
        given = init_settings().get("data_dir") or os.environ.get("SIGHTLINE_DATA_DIR")  # noqa: TID251 - the door to the environment
        folder = Path(str(given)) if given else Path("sightline-data")
        toml = TomlConfigSettingsSource(settings_cls, folder / "sightline.toml")
        return (init_settings, env_settings, toml)

    @classmethod
    def load(cls, **given: object) -> Self:
        """Read the settings; `given` values that are not None come first.

        Raises:
            BadSettings: A value does not validate.
        """
        chosen = {name: value for name, value in given.items() if value is not None}
        try:
            return cls(**chosen)  # type: ignore[arg-type]  # validated by pydantic
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise BadSettings(
                f"setting {name!r}: {first['msg']} (given: {first['input']!r})",
                hint="See docs/reference/settings.md for names, types and defaults.",
            ) from error
        except ValueError as error:
            raise BadSettings(
                f"sightline.toml cannot be read: {error}",
                hint="Mend the file in the data directory; it is TOML, `name = value` a line.",
            ) from error

    def as_environment(self) -> dict[str, str]:
        """Return an environment in which a child process reads these very settings."""
        given = {
            f"SIGHTLINE_{name.upper()}": json.dumps(value)
            if isinstance(value, dict)
            else str(value)
            for name, value in self.model_dump(exclude_none=True).items()
        }
        return dict(os.environ) | given  # noqa: TID251 - the door to the environment

    @field_validator("default_issuers")
    @classmethod
    def _check_pairs(cls, value: str) -> str:
        for pair in filter(None, (each.strip() for each in value.split(","))):
            sender, equals, issuer = pair.partition("=")
            if not (sender.strip() and equals and issuer.strip()):
                raise ValueError("write SENDER=ISSUER, comma-separated")
        return value

    def issuer_of(self, sender: str) -> str:
        """Return whose patient ids a sender means that names no issuer; empty for nobody's."""
        pairs = (pair.partition("=") for pair in self.default_issuers.split(","))
        issuers = {name.strip(): issuer.strip() for name, _, issuer in pairs}
        return issuers.get(sender.strip(), issuers.get("*", ""))

    @property
    def archive_dir(self) -> Path:
        """The identified store."""
        return self.data_dir / "archive"

    @property
    def hub_dir(self) -> Path:
        """The de-identified store."""
        return self.data_dir / "hub"

    @property
    def vault_dir(self) -> Path:
        """The key of the hub; only `deid` reads it."""
        return self.data_dir / "vault"

    @property
    def audit_dir(self) -> Path:
        """The signed end of the audit log."""
        return self.data_dir / "audit"

    @property
    def jobs_dir(self) -> Path:
        """The record of durable jobs."""
        return self.data_dir / "jobs"

    @property
    def runs_dir(self) -> Path:
        """Checkpoints of unfinished training runs."""
        return self.data_dir / "runs"

    @property
    def tracking_file(self) -> Path:
        """Curves of training runs, as MLflow keeps them; written where it is installed."""
        return self.data_dir / "mlflow.db"


def set_for_libraries(name: str, value: str) -> None:
    """Set a variable that a library of ours reads, unless the site has set it."""
    os.environ.setdefault(name, value)  # noqa: TID251 - the door to the environment
