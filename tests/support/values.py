"""What each parameter may be, and what it may not be.

A new parameter needs a line in `GOOD` if it is required, and one in `BAD`.
"""

LONG = "a" * 100_000
FORMATTED = "iot.common.InvalidFormattedParameter"

BAD: dict[str, list[tuple[str, int, str]]] = {
    "ProductKey": [
        ("", 200, "iot.prod.NullProductKey"),
        *(
            (text, 200, "iot.prod.InvalidFormattedProductkey")
            for text in (
                "short",
                "a" * 12,
                LONG,
                "a1b2c3d4e-5",
                "а1b2c3d4e5f",
                "a1b2c\0d4e5f",
                "a1b2c3d4e5\n",
                "' OR 1=1 --",
            )
        ),
        ("a1b2c3d4e5f", 200, "iot.prod.NotExistedProduct"),
    ],
    "ProductName": [
        ("", 200, "iot.prod.NullProductName"),
        *(
            (text, 200, "iot.prod.InvalidFormattedProductName")
            for text in ("abc", "a" * 31, "水" * 16, LONG, "pump 1", "pump-1", "pump\0", "pump\n", "😀😀😀😀")
        ),
    ],
    "Description": [("a" * 101, 200, "iot.prod.LongProductDesc"), (LONG, 200, "iot.prod.LongProductDesc")],
    "AliyunCommodityCode": [
        (text, 200, "iot.prod.InvalidAliyunCommodityCode") for text in ("iothub_junior", "IOTHUB", LONG)
    ],
    "AuthType": [
        *((text, 200, FORMATTED) for text in ("", "Secret", "X509", "one-party", LONG)),
        ("id2", 200, "iot.prod.NotOpenID2Service"),
    ],
    "NetType": [(text, 200, FORMATTED) for text in ("", "wifi", "3", LONG)],
    "ProtocolType": [(text, 200, FORMATTED) for text in ("", "Modbus", "mqtt", LONG)],
    "CategoryKey": [(text, 200, "iot.prod.InvalidFormattedCatId") for text in ("k" * 65, LONG)],
    "ClientToken": [(LONG, 400, "InvalidClientToken")],
    "DeviceName": [
        ("", 200, "iot.device.NullDeviceName"),
        *(
            (text, 200, "iot.device.InvalidFormattedDeviceName")
            for text in (
                "abc",
                "a" * 33,
                LONG,
                "pump 1",
                "pump/1",
                "水泵一号",
                "pump\0",
                "pump\n",
                "ｐｕｍｐ",
                "'; DROP TABLE device; --",
            )
        ),
    ],
    "Nickname": [
        (text, 200, FORMATTED)
        for text in ("", "abc", "a" * 65, "水" * 33, LONG, "pump-1", "pump\0", "pump\n", "😀😀😀😀")
    ],
    "ImportDevice.Nickname": [
        (text, 200, FORMATTED) for text in ("a" * 65, "水" * 33, LONG, "pump-1", "pump\0", "pump\n", "😀😀😀😀")
    ],
    "DeviceSecret": [
        (text, 200, FORMATTED) for text in ("", "s" * 33, LONG, "a b", "a/b", "secret\0", "secret\n", "ｓｅｃｒｅｔ")
    ],
    "Sn": [(text, 200, FORMATTED) for text in ("S-N", "s" * 65, LONG, "水", "sn\0", "sn\n")],
    "IotId": [
        (text, 200, "iot.device.InvalidIoTId")
        for text in ("x", "0" * 26, "z" * 26, "0" * 20 + "000100", LONG, "水" * 26, "\0" * 26, "٠" * 26)
    ],
    "ApplyId": [
        ("", 200, "iot.device.NullApplyId"),
        ("0", 200, "iot.device.InvalidFormattedApplyId"),
        ("-1", 200, "iot.device.InvalidFormattedApplyId"),
        ("9" * 18, 200, "iot.device.DeviceApplyIsNotFound"),
    ],
    "Count": [(text, 200, "iot.device.DeviceCountExceeded") for text in ("0", "-1", "10001", "9" * 18)],
    "PageSize": [(text, 200, "iot.common.InvalidPageParams") for text in ("0", "-1", "201", "9" * 18)],
    "CurrentPage": [(text, 200, "iot.common.InvalidPageParams") for text in ("0", "-1", "1000000001", "9" * 18)],
    "PageNo": [(text, 200, "iot.common.InvalidPageParams") for text in ("0", "-1", "10001", "9" * 18)],
    "NextToken": [
        (text, 200, "iot.common.InvalidPageParams")
        for text in ("x", "0" * 20, "0" * 40, "z" * 21, LONG, "水" * 21, "\0" * 21, "٠" * 21)
    ],
    "Status": [(text, 200, FORMATTED) for text in ("2", "-1", "9" * 18)],
    "Props": [
        ("", 200, "iot.device.NullDevicePropertiesString"),
        ("{}", 200, "iot.device.NoneDeviceProperties"),
        (LONG, 200, "iot.device.LongDevicePropertiesString"),
        *(
            (text, 200, "iot.device.InvalidFormattedDevicePropertiesString")
            for text in (
                "x",
                "[]",
                "{",
                '{"a":NaN}',
                "[" * 5_000,
                '{"a":null}',
                '{"a":{}}',
                '{"a":"\\ud800"}',
                '{"a":"' + "v" * 129 + '"}',
            )
        ),
        *(
            (text, 200, "iot.device.InvalidFormattedDevicePropertyKey")
            for text in ('{"abc":"1"}', '{"":"1"}', '{"a b":"1"}', '{"地":"1"}', '{"' + "k" * 65 + '":"1"}')
        ),
    ],
    "PropKey": [
        ("", 200, "iot.device.NullDevicePropertyKey"),
        *(
            (text, 200, "iot.device.InvalidFormattedDevicePropertyKey")
            for text in ("abc", "a b", "k" * 65, LONG, "地", "key\0", "key\n")
        ),
    ],
    "GroupName": [
        (text, 200, FORMATTED)
        for text in ("", "abc", "a" * 31, "水" * 16, LONG, "hall 1", "hall-1", "hall\0", "hall\n", "😀😀😀😀")
    ],
    # It only selects: a name that no group can have is one that none has.
    "QueryDeviceGroupList.GroupName": [],
    "GroupDesc": [("d" * 101, 200, FORMATTED), (LONG, 200, FORMATTED)],
    "GroupId": [(text, 200, FORMATTED) for text in ("x", "0" * 16, LONG, "水" * 16, "\0" * 16, "' OR 1=1 --")],
    "SuperGroupId": [(text, 200, FORMATTED) for text in ("x", "0" * 16, LONG, "\0" * 16)],
    "NodeType": [(text, 200, "iot.prod.InvalidNodeType") for text in ("2", "-1", "9" * 18)],
    "DataFormat": [(text, 200, FORMATTED) for text in ("2", "-1", "9" * 18)],
    "ValidateType": [(text, 200, FORMATTED) for text in ("0", "3", "-1")],
    "Id2": [("true", 200, "iot.prod.NotOpenID2Service"), ("TRUE", 200, "iot.prod.NotOpenID2Service")],
}
"""What a parameter may not be, of any Action or of one, although it has the right type: value, HTTP status, Code."""

NOT_INTEGERS = (
    "x",
    "1_000",
    " 1",
    "1 ",
    "+1",
    "1e3",
    "1.0",
    "0x1",
    "--1",
    "-",
    "٣",
    "１",
    "1\0",
    "1\n",
    "1,000",
    "9" * 19,
    "9" * 5000,
)
NOT_BOOLEANS = ("", "x", "1", "0", "yes", " true", "true\n", "tru", "ｔｒｕｅ")
NUMBERS = ("0", "01", "-1", "+1", "1_0", " 1", "1 ", "x", "", "１", "9" * 30)
"""What may not stand for N in a list that has one element."""

GOOD = {
    "ProductKey": "{product}",
    "ApplyId": "{batch}",
    "QueryImportedDeviceByApplyId.ApplyId": "{imported}",
    "DeviceName": "{name}",
    "ImportDevice.DeviceName": "never-created",
    "DeviceSecret": "never-used",
    "ProductName": "never_created",
    "NodeType": "0",
    "Count": "1",
    "PageNo": "1",
    "PageSize": "10",
    "CurrentPage": "1",
    "Status": "0",
    "GroupId": "{group}",
    "GroupName": "never_created",
    "Props": '{{"never":"kept"}}',
    "PropKey": "never",
}
"""What a parameter that has to be there may be, of any Action or of one."""

SELECTOR = ("ProductKey", "DeviceName")
_MEMBER = {"Device.1.ProductKey": "{product}", "Device.1.DeviceName": "{name}"}
_ROW = {"DeviceList.1.DeviceName": "never-created", "DeviceList.1.DeviceSecret": "never-used"}
MORE: dict[str, dict[str, str]] = {
    "BatchCheckDeviceNames": {"DeviceName.1": "never-created"},
    "BatchQueryDeviceDetail": {"DeviceName.1": "{name}"},
    "BatchGetDeviceState": {"ProductKey": "{product}", "DeviceName.1": "{name}"},
    "BatchUpdateDeviceNickname": {
        "DeviceNicknameInfo.1.ProductKey": "{product}",
        "DeviceNicknameInfo.1.DeviceName": "{name}",
    },
    "BatchAddDeviceGroupRelations": _MEMBER,
    "BatchDeleteDeviceGroupRelations": _MEMBER,
    "BatchCheckImportDevice": _ROW,
    "BatchImportDevice": _ROW,
    "QueryDeviceByStatus": {"ProductKey": "{product}"},
    "QueryDeviceStatistics": {"ProductKey": "{product}"},
    "CreateDeviceGroup": {"SuperGroupId": "{group}"},
    "QueryDeviceGroupList": {"SuperGroupId": "{group}"},
    "QueryDeviceByTags": {"Tag.1.TagKey": "never", "Tag.1.TagValue": "kept"},
}
"""What an operation is about beside what it must have: lists have one item."""
