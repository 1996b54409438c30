"""Every refusal Nameplate can give, in the vendor's words.

Two families that never mix. A *gateway* refusal is given before an operation runs: HTTP 4xx or 5xx with `Code` and
`Message`. A *business* refusal is an operation's own answer: HTTP 200 with `Success=false`, `Code`, `ErrorMessage`.
Codes are the vendor's, misspellings included; the reference page is generated from this file.
"""

from nameplate.refusal import Refusal

# --- The gateway: the call as such -----------------------------------------------------------------------------------

MISSING_PARAMETER = Refusal("Missing{name}", "{where} is mandatory for this action.{hint}", 400)
INVALID_PARAMETER = Refusal("Invalid{name}", "Specified parameter {where} is not valid. {fix}", 400)
INVALID_VERSION = Refusal("InvalidVersion", "Specified parameter Version is not valid. Send 2018-01-20.", 400)
INVALID_FORMAT = Refusal("InvalidParameter.Format", "Specified parameter format is not valid. Send JSON or XML.", 400)
ACTION_NOT_FOUND = Refusal(
    "InvalidAction.NotFound",
    "Specified api is not found, please check your url and method. Action: {action}",
    404,
)
METHOD_NOT_SUPPORTED = Refusal(
    "UnsupportedHTTPMethod", "The HTTP method {method} is not supported. Use GET or POST.", 400
)
CONTENT_TYPE_NOT_VALID = Refusal(
    "InvalidContentType",
    "Specified parameter Content-Type is not valid. Send the body as application/x-www-form-urlencoded.",
    400,
)
ACTION_NOT_COVERED = Refusal(
    "InvalidAction.NotFound",
    "Nameplate does not cover the action {action}. What it covers, and how: {where}",
    404,
)
THROTTLED = Refusal(
    "Throttling.User",
    "Request was denied due to user flow control: {action} may be called {rate} times per second.",
    400,
)
REQUEST_TOO_LARGE = Refusal(
    "RequestEntityTooLarge",
    "The request is larger than {limit}. Send fewer names per call.",
    413,
)
REQUEST_TIMEOUT = Refusal("RequestTimeout", "The request body did not arrive within {seconds} seconds.", 408)
TOKEN_CONTENT_DIFFERS = Refusal(
    "IdempotentParameterMismatch",
    "ClientToken was used before with other parameters. Use a new ClientToken for a new request.",
    400,
)
INTERNAL_ERROR = Refusal("InternalError", "The request processing has failed due to some unknown error.", 500)
SERVICE_UNAVAILABLE = Refusal(
    "ServiceUnavailable",
    "The request has failed due to a temporary failure of the server. Try again.",
    503,
)
DATABASE_UNAVAILABLE = Refusal(
    "ServiceUnavailable",
    "The request has failed because the database cannot be reached. Nothing is half done; send the same call again.",
    503,
)

# --- The gateway: who is calling -------------------------------------------------------------------------------------

INVALID_TIMESTAMP_FORMAT = Refusal(
    "InvalidTimeStamp.Format",
    "Specified time stamp or date value is not well formatted. Send UTC as YYYY-MM-DDThh:mm:ssZ.",
    400,
)
INVALID_TIMESTAMP_EXPIRED = Refusal(
    "InvalidTimeStamp.Expired",
    "Specified time stamp or date value is expired. It may differ from the server's {now} by 15 minutes.",
    400,
)
ACCESS_KEY_NOT_FOUND = Refusal("InvalidAccessKeyId.NotFound", "Specified access key is not found.", 404)
ACCESS_KEY_INACTIVE = Refusal("InvalidAccessKeyId.Inactive", "Specified access key is disabled.", 400)
SECURITY_TOKEN_MISSING = Refusal("MissingSecurityToken", "SecurityToken is mandatory for this action.", 400)
SECURITY_TOKEN_MALFORMED = Refusal("InvalidSecurityToken.Malformed", "Specified SecurityToken is malformed.", 400)
SECURITY_TOKEN_EXPIRED = Refusal("InvalidSecurityToken.Expired", "Specified SecurityToken is expired.", 400)
SECURITY_TOKEN_MISMATCH = Refusal(
    "InvalidSecurityToken.MismatchWithAccessKey",
    "Specified SecurityToken mismatch with the AccessKey.",
    400,
)
INVALID_SIGNATURE_METHOD = Refusal(
    "InvalidSignatureMethod", "Specified signature method is not valid. Send HMAC-SHA1.", 400
)
# Likewise literal from "signature" on: older SDKs read it in the same way.
SIGNATURE_INCOMPLETE = Refusal(
    "IncompleteSignature",
    "{problem} The request signature does not conform to standards. server string to sign is:{string_to_sign}",
    400,
)
# The v1 Python SDK splits this message at its colon and compares what follows with its own text; keep it literal.
SIGNATURE_DOES_NOT_MATCH = Refusal(
    "SignatureDoesNotMatch",
    "Specified signature is not matched with our calculation. server string to sign is:{string_to_sign}",
    400,
)
SIGNATURE_NONCE_USED = Refusal("SignatureNonceUsed", "Specified signature nonce was used already.", 400)

# --- Brokers' hooks --------------------------------------------------------------------------------------------------

HOOK_BODY_NOT_VALID = Refusal("InvalidHookBody", "The hook's body is not valid: {problem}.", 400)
HOOK_NOT_FOUND = Refusal(
    "InvalidHook.NotFound", "There is no such hook; docs/brokers has them by broker. Use POST.", 404
)
HOOK_SECRET_WRONG = Refusal(
    "InvalidHookSecret", "The Authorization header has not the secret of NAMEPLATE_BROKER_SECRET.", 401
)
HOOK_SECRET_NEEDED = Refusal(
    "MissingHookSecret",
    "Without NAMEPLATE_BROKER_SECRET hooks are answered on this machine only, and not through a proxy.",
    403,
)

# --- Business: common ------------------------------------------------------------------------------------------------

ROLE_DENIED = Refusal(
    "iot.common.RamActionPermissionDeny",
    "The access key's role is {role}; {action} needs the role {needed}.",
)
ACCOUNT_DENIED = Refusal("iot.common.AuthActionPermissionDeny", "It belongs to another account.")
INVALID_PAGE = Refusal("iot.common.InvalidPageParams", "{name} must be from {least} to {most}.")
NEXT_TOKEN_NEEDED = Refusal(
    "iot.common.InvalidPageParams",
    "Beyond the first {most} devices, send the NextToken of the page before instead of CurrentPage.",
)
INVALID_NEXT_TOKEN = Refusal("iot.common.InvalidPageParams", "NextToken is not one that this query has given.")
INSTANCE_NOT_FOUND = Refusal("iot.Sre.IotInstanceNotFound", "IotInstanceId is not valid: {problem}.")

# --- Business: products ----------------------------------------------------------------------------------------------

NULL_PRODUCT_KEY = Refusal("iot.prod.NullProductKey", "ProductKey is empty.")
INVALID_PRODUCT_KEY = Refusal(
    "iot.prod.InvalidFormattedProductkey", "ProductKey is not valid: it has 11 letters and digits."
)
PRODUCT_NOT_FOUND = Refusal("iot.prod.NotExistedProduct", "The product does not exist.")
NULL_PRODUCT_NAME = Refusal("iot.prod.NullProductName", "ProductName is empty.")
INVALID_PRODUCT_NAME = Refusal(
    "iot.prod.InvalidFormattedProductName",
    "ProductName is not valid: 4 to 30 Chinese characters (each counts 2), letters, digits and underscores.",
)
PRODUCT_NAME_TAKEN = Refusal("iot.prod.AlreadyExistedProductName", "A product of this name exists already.")
LONG_PRODUCT_DESCRIPTION = Refusal("iot.prod.LongProductDesc", "Description is longer than 100 characters.")
INVALID_NODE_TYPE = Refusal("iot.prod.InvalidNodeType", "NodeType is not valid: {choices}.")
INVALID_COMMODITY_CODE = Refusal(
    "iot.prod.InvalidAliyunCommodityCode",
    "AliyunCommodityCode is not valid: {choices}.",
)
INVALID_CATEGORY = Refusal("iot.prod.InvalidFormattedCatId", "CategoryKey is longer than {most} characters.")
INVALID_DATA_FORMAT = Refusal("iot.common.InvalidFormattedParameter", "DataFormat is not valid: {choices}.")
MISSING_DATA_FORMAT = Refusal(
    "iot.common.InvalidFormattedParameter",
    "DataFormat is missing: a product with AliyunCommodityCode iothub_senior needs 0 (custom) or 1 (Alink JSON).",
)
INVALID_AUTH_TYPE = Refusal("iot.common.InvalidFormattedParameter", "AuthType is not valid here: {choices}.")
INVALID_NET_TYPE = Refusal("iot.common.InvalidFormattedParameter", "NetType is not valid: {choices}.")
INVALID_PROTOCOL_TYPE = Refusal("iot.common.InvalidFormattedParameter", "ProtocolType is not valid: {choices}.")
INVALID_VALIDATE_TYPE = Refusal("iot.common.InvalidFormattedParameter", "ValidateType is not valid: {choices}.")
PRODUCT_IN_USE = Refusal("iot.prod.DeleteProductFailed", "The product still has {what}.")
TOO_MANY_PRODUCTS = Refusal("iot.prod.ProductCountExceedMax", "The limit of {most} products is reached.")
ID2_NOT_OPEN = Refusal("iot.prod.NotOpenID2Service", "AuthType id2 needs the vendor's ID2 service; send secret.")

# --- Business: devices and batches -----------------------------------------------------------------------------------

NULL_DEVICE_NAME = Refusal("iot.device.NullDeviceName", "DeviceName is empty.")
INVALID_DEVICE_NAME = Refusal(
    "iot.device.InvalidFormattedDeviceName",
    "DeviceName is not valid: 4 to 32 letters, digits and - _ @ . : characters.",
)
NO_DEVICE_NAMES = Refusal("iot.device.NoneDeviceNameElement", "The list of device names is empty.")
INVALID_NAMES_LISTED = Refusal("iot.device.InvalidDeviceNameExisted", "{message}")
TOO_MANY_NAMES = Refusal(
    "iot.device.DeviceCountExceeded",
    "{count} names were sent; a call takes {most}. Split the list.",
)
INVALID_NICKNAME = Refusal(
    "iot.common.InvalidFormattedParameter",
    "Nickname is not valid: 4 to 64 Chinese and Japanese characters (each counts 2), letters, digits and underscores.",
)
DEVICE_NAME_TAKEN = Refusal("iot.device.AlreadyExistedDeviceName", "A device of this name exists already.")
DEVICE_NOT_FOUND = Refusal("iot.device.NotExistedDevice", "The device does not exist.")
INVALID_IOT_ID = Refusal("iot.device.InvalidIoTId", "IotId is not valid.")
TOO_MANY_DEVICES = Refusal(
    "iot.device.DeviceCountExceeded",
    "The product may have {most} devices; it has {there}, and {more} more were asked for.",
)
TOO_MANY_SELECTED = Refusal("iot.device.DeviceCountExceeded", "{count} devices were named; a call takes {most}.")
INVALID_STATUS = Refusal("iot.common.InvalidFormattedParameter", "Status is not valid: {choices}.")
INVALID_SHORT_NICKNAME = Refusal(
    "iot.common.InvalidFormattedParameter",
    "{where} is not valid: 4 to 32 Chinese and Japanese characters (each counts 2), letters, digits and underscores.",
)
INVALID_IMPORTED_NICKNAME = Refusal(
    "iot.common.InvalidFormattedParameter",
    "Nickname is not valid: 1 to 64 Chinese and Japanese characters (each counts 2), letters, digits and underscores.",
)
INVALID_SECRET = Refusal(
    "iot.common.InvalidFormattedParameter",
    "DeviceSecret is not valid: 1 to 32 letters, digits and - _ @ . : characters.",
)
INVALID_SN = Refusal(
    "iot.common.InvalidFormattedParameter", "Sn is not valid: 1 to 64 letters, digits and underscores."
)
INVALID_ROWS_LISTED = Refusal("iot.common.InvalidFormattedParameter", "{message}")
INVALID_COUNT = Refusal("iot.device.DeviceCountExceeded", "Count must be from 1 to {most}.")
NULL_APPLY_ID = Refusal("iot.device.NullApplyId", "ApplyId is empty.")
INVALID_APPLY_ID = Refusal("iot.device.InvalidFormattedApplyId", "ApplyId is not valid: it is a positive integer.")
BATCH_NOT_FOUND = Refusal("iot.device.DeviceApplyIsNotFound", "The ApplyId does not exist.")
BATCH_DOES_NOT_FIT = Refusal("iot.device.IncorrentDeviceApplyInfo", "The application information is wrong: {problem}.")
BATCH_IS_CHECKING = Refusal(
    "iot.device.CreateDeviceTaskIsRunning",
    "The names are still being checked. Ask again after CHECK_SUCCESS.",
)
NOT_X509 = Refusal(
    "iot.common.APINotSupportedInInstance", "Devices of this product have no certificates: its AuthType is {auth_type}."
)

# --- Business: batches that come from files, which the vendor does not know -------------------------------------------

NOT_A_FILE_BATCH = Refusal("nameplate.batch.NotOfAFile", "The batch does not come from a file.")
BATCH_IS_BUSY = Refusal("nameplate.batch.IsBusy", "The batch is being {what}. Ask again when that has ended.")
BATCH_HAS_ENDED = Refusal("nameplate.batch.HasEnded", "The batch has ended: {how}. Send a new file.")
BATCH_CANNOT_BE_APPLIED = Refusal("nameplate.batch.CannotBeApplied", "The batch cannot be applied so: {problem}.")
NOTHING_TO_RETRY = Refusal(
    "nameplate.batch.NothingToRetry", "No row of the batch has a name that another device has. Send corrections."
)
UPLOAD_OFFSET_DIFFERS = Refusal(
    "nameplate.upload.OffsetDiffers", "{offset} bytes of the file are here. Send what comes after them."
)
UPLOAD_IS_COMPLETE = Refusal("nameplate.upload.IsComplete", "The file is here already, all of it.")
UPLOAD_IS_BUSY = Refusal(
    "nameplate.upload.IsBusy", "Another request is sending this file. Try again when it has ended."
)
UPLOAD_IS_LARGER = Refusal("nameplate.upload.IsLarger", "More than the {size} bytes that were announced were sent.")
UPLOAD_IS_SHORTER = Refusal("nameplate.upload.IsShorter", "{received} of {size} bytes are here. Send the rest.")
UPLOAD_IS_ELSEWHERE = Refusal(
    "nameplate.upload.IsElsewhere",
    "The file is on the host {host}: ask the server there, or share the directory {where}.",
)
UPLOAD_IS_GONE = Refusal("nameplate.upload.IsGone", "The file is not kept any more. Send it as a new batch.")
UPLOAD_IS_DAMAGED = Refusal(
    "nameplate.upload.IsDamaged", "What is kept of the file is not what was sent. Send it as a new batch."
)
NO_CORRECTIONS = Refusal("nameplate.upload.NotAnnounced", "No corrections are being sent. Announce them first.")

# --- Business: tags and groups ---------------------------------------------------------------------------------------

NULL_PROPS = Refusal("iot.device.NullDevicePropertiesString", "Props is empty.")
INVALID_PROPS = Refusal("iot.device.InvalidFormattedDevicePropertiesString", "Props is not valid: {problem}.")
LONG_PROPS = Refusal("iot.device.LongDevicePropertiesString", "Props is longer than {most} bytes.")
TOO_MANY_PROPS = Refusal("iot.device.TooManyDevicePropertiesPerTime", "A device may have {most} tags.")
NO_PROPS = Refusal("iot.device.NoneDeviceProperties", "Props has no tag in it.")
NULL_PROP_KEY = Refusal("iot.device.NullDevicePropertyKey", "PropKey is empty.")
INVALID_PROP_KEY = Refusal(
    "iot.device.InvalidFormattedDevicePropertyKey",
    "The tag key {key} is not valid: 1 to 64 letters, digits and - _ . : @ characters, and not abc.",
)
INVALID_TAGS = Refusal("iot.common.InvalidFormattedParameter", "Tag is not valid: {problem}.")
INVALID_GROUP = Refusal("iot.common.InvalidFormattedParameter", "{where} is not valid: {problem}.")
GROUP_NOT_FOUND = Refusal("iot.common.InvalidFormattedParameter", "{where} is not valid: there is no such group.")


def catalogue() -> list[Refusal]:
    """Return every refusal, in the order of this file."""
    return [value for value in globals().values() if isinstance(value, Refusal)]
