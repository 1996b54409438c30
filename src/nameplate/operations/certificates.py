"""Certificates of devices of X.509 products."""

from nameplate.call import Answer, Call
from nameplate.domain.access import Role
from nameplate.domain.batch import State
from nameplate.domain.certificates import LINK_SECONDS, certificate_pem, private_key_pem
from nameplate.domain.product import AuthType
from nameplate.errors import BATCH_DOES_NOT_FIT, NOT_X509
from nameplate.operations.batches import find_batch
from nameplate.operations.parameters import ApplyId, DeviceName, ProductKey
from nameplate.operations.selection import select_device
from nameplate.store.products import Product
from nameplate.wire.operation import operation

_DONE = 2


@operation("QueryDeviceCert", role=Role.READER)
def query_device_cert(call: Call, product_key: ProductKey, device_name: DeviceName) -> Answer:
    """Return a device's certificate, its private key and its serial number; both as PEM, the key as PKCS 8.

    Unlike the vendor's, it works in every region. The vendor does not say how its own are written.
    """
    product, device = select_device(call, None, product_key, device_name)
    _check_x509(product)
    found = call.store.certificates.find(device.id)
    if found is None:
        raise NOT_X509(auth_type="x509, but this one was imported with a secret")
    info = {
        "CertSN": found.serial,
        "Certificate": certificate_pem(found.certificate),
        "PrivateKey": private_key_pem(found.open_key(call.registry.master)),
        "Status": _DONE,
    }
    return {"DeviceCertInfo": info}


@operation("QueryCertUrlByApplyId", role=Role.READER)
def query_cert_url_by_apply_id(call: Call, apply_id: ApplyId) -> Answer:
    """Return a link to a ZIP file with the certificates and private keys of a batch's devices.

    Whoever has the link can download them for 15 minutes. The vendor does not say what its file is, or for how long.
    """
    batch = find_batch(call, apply_id)
    _check_x509(call.store.products.get(batch.product_id))
    if batch.state is not State.CREATE_SUCCESS:
        raise BATCH_DOES_NOT_FIT(problem=f"the batch is in {batch.state}, and has certificates from CREATE_SUCCESS on")
    expires_at = call.now() // 1000 + LINK_SECONDS
    signature = call.registry.certificates.sign_link(batch.id, expires_at)
    return {"CertUrl": f"{call.origin}/certs/{batch.id}.zip?Expires={expires_at}&Signature={signature}"}


def _check_x509(product: Product) -> None:
    if product.auth_type != AuthType.X509:
        raise NOT_X509(auth_type=product.auth_type)
