"""The Python SDKs."""

import json
import re
from importlib import import_module

from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client
from alibabacloud_tea_openapi.models import Config
from aliyunsdkcore.client import AcsClient

from tests.support.sdks.sdk import TIMEOUT_SECONDS, Body, ModelSdk, Sdk
from tests.support.server import ROOT_ID, ROOT_SECRET, Server


class PythonCore(Sdk):
    """aliyun-python-sdk-iot: v1 signatures; an answer is a JSON text."""

    def __init__(self, server: Server, key_id: str = ROOT_ID, secret: str = ROOT_SECRET) -> None:
        super().__init__(server)
        self._client = AcsClient(key_id, secret, "cn-shanghai", timeout=TIMEOUT_SECONDS)

    def answer(self, action: str, **parameters: object) -> Body:
        request = getattr(import_module(f"aliyunsdkiot.request.v20180120.{action}Request"), f"{action}Request")()
        request.set_endpoint(self.endpoint)
        for name, value in parameters.items():
            setter = f"set_{name}s" if isinstance(value, list) else f"set_{name}"
            getattr(request, setter)(value)
        body: Body = json.loads(self._client.do_action_with_exception(request))
        return body

    def close(self) -> None:
        self._client.session.close()


class _Client(Client):  # type: ignore[misc] # the SDK has no types
    """Keeps what came."""

    came: Body

    def call_api(self, *arguments: object) -> Body:
        self.came = super().call_api(*arguments)
        return self.came


class PythonTea(ModelSdk):
    """alibabacloud-iot20180120 with ACS3 signatures, its default."""

    name = "python"
    signature_algorithm: str | None = None

    def __init__(self, server: Server, key_id: str = ROOT_ID, secret: str = ROOT_SECRET) -> None:
        super().__init__(server)
        config = Config(access_key_id=key_id, access_key_secret=secret, protocol="http", endpoint=self.endpoint)
        config.read_timeout = TIMEOUT_SECONDS * 1000
        config.signature_algorithm = self.signature_algorithm
        self._client = _Client(config)

    def answer(self, action: str, **parameters: object) -> Body:
        request = getattr(models, f"{action}Request")().from_map(parameters)
        response = getattr(self._client, _snake(action))(request)
        assert response.status_code == 200
        self.raw = self._client.came["body"]
        body: Body = response.body.to_map()
        return body

    def close(self) -> None:
        """It keeps nothing open."""


class PythonTeaV1(PythonTea):
    """alibabacloud-iot20180120 with v1 signatures."""

    signature_algorithm = "v2"


def _snake(name: str) -> str:
    return re.sub("(?<!^)([A-Z])", r"_\1", name).lower()
