"""Every setting, its default and its environment variable: `NAMEPLATE_` and the name in capitals."""

from pathlib import Path
from typing import Final

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from nameplate.call import NameCheck, Quotas
from nameplate.logs import LogFormat, LogLevel

PREFIX: Final = "NAMEPLATE_"


class Settings(BaseSettings):
    """What a server or a command of this machine runs with."""

    # What is set to nothing is not set: so it is that a compose file passes on a variable that nobody has set.
    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, env_ignore_empty=True)

    host: str = Field("127.0.0.1", description="Address to listen on, also for a worker's metrics.")
    port: int = Field(8420, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    data_dir: Path = Field(Path("nameplate-data"), description="Where the database, the nonces and the keys are kept.")
    listen_fd: int | None = Field(None, ge=0, description="Inherited socket to serve on, instead of host and port.")
    processes: int = Field(1, ge=1, le=64, description="Server processes on one port, each with its own workers.")
    database_url: str | None = Field(
        None, description="postgresql://user@host/name; by default a SQLite file in the data directory."
    )
    root_access_key_id: str | None = Field(None, description="Access key of the account root; generated if absent.")
    root_access_key_secret: SecretStr | None = Field(None, description="Its secret; given together with the id.")
    master_key: SecretStr | None = Field(
        None,
        description="64 hexadecimal digits that seal what is secret; by default the file master.key.",
    )
    new_master_key: SecretStr | None = Field(
        None,
        description="For `nameplate keys rotate-master` only: the key to seal with from then on; minted if absent.",
    )
    region: str = Field("cn-shanghai", description="Region that device details report.")
    workers: int = Field(2, ge=0, le=16, description="Embedded workers; 0 leaves the work to `nameplate worker`.")
    lease: float = Field(10.0, gt=0, le=3600, description="Seconds for which a worker holds a part of a batch.")
    metrics_port: int | None = Field(
        None, ge=0, le=65535, description="Where `nameplate worker` answers /metrics; a server does on its own port."
    )
    log_format: LogFormat = Field(LogFormat.TEXT, description="Lines for people (text), or an object each (json).")
    log_level: LogLevel = Field(LogLevel.INFO, description="From which level on; a line for each call is info.")
    instance_id: str | None = Field(
        None, description="IotInstanceId of this installation; a call with another one is refused, one without is not."
    )
    public_url: str | None = Field(
        None, description="How callers reach this server, as in https://iot.example.com; by default as they just did."
    )
    broker_secret: SecretStr | None = Field(
        None, description="What brokers have to send with their hooks; without it they must be on this machine."
    )
    rabbitmq_url: str = Field(
        "amqp://nameplate@127.0.0.1:5672",
        description="For `nameplate brokers rabbitmq` only: where RabbitMQ tells of connections; amqps:// with TLS.",
    )
    rabbitmq_password: SecretStr | None = Field(
        None, description="For `nameplate brokers rabbitmq` only: the password there."
    )
    quotas: Quotas = Field(Quotas.OFF, description="Refuse calls beyond the vendor's calls per second (vendor).")
    most_products: int | None = Field(None, ge=1, description="Products an account may have; by default any number.")
    most_devices: int | None = Field(None, ge=1, description="Devices a product may have; by default any number.")
    ca_certificate: Path | None = Field(
        None, description="PEM file of the CA that signs devices' certificates; by default one is made."
    )
    ca_key: Path | None = Field(None, description="PEM file of its private key, not encrypted.")
    certificate_days: int = Field(
        3650, ge=1, le=36_500, description="For how long a device's certificate is valid, at most as long as its CA's."
    )
    keep_files: int = Field(
        7, ge=0, le=3650, description="Days for which an uploaded file is kept while rows of it have failed or wait."
    )
    reader_memory: int = Field(
        256, ge=64, le=65_536, description="MiB in which rows of an uploaded file are sorted; more are sorted on disk."
    )
    strict: bool = Field(default=False, description="Refuse a call with too many names instead of leaving some out.")
    name_check: NameCheck = Field(NameCheck.ASYNC, description="Refuse bad names in the check, or (sync) in the call.")

    def as_environment(self) -> dict[str, str]:
        """Return the environment in which another process has these settings. Secrets are among them."""
        plain = ((name, getattr(self, name)) for name in self.model_fields_set)
        return {f"{PREFIX}{name.upper()}": _write(value) for name, value in plain if value is not None}


def _write(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
