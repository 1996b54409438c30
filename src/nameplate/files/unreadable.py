"""Every reason why a file cannot be read as a whole, and what to do about each."""

from dataclasses import dataclass
from typing import Final


class UnreadableFileError(Exception):
    """A file cannot be read as a whole: what is wrong, where, and what to do."""

    def __init__(self, problem: str, fix: str, *, line: int | None = None, byte: int | None = None) -> None:
        where = f"Line {line}: " if line is not None else f"Byte {byte}: " if byte is not None else ""
        super().__init__(f"{where}{problem} {fix}")
        self.problem = problem
        self.fix = fix
        self.line = line
        self.byte = byte


@dataclass(frozen=True, slots=True)
class Unreadable:
    """One entry of the catalogue.

    Calling it makes the exception to raise; `{name}`s are filled from the details.
    """

    problem: str
    fix: str

    def __call__(self, *, line: int | None = None, byte: int | None = None, **details: object) -> UnreadableFileError:
        """Fill the texts in."""
        return UnreadableFileError(self.problem.format(**details), self.fix.format(**details), line=line, byte=byte)


# --- What the file is ------------------------------------------------------------------------------------------------

EMPTY: Final = Unreadable("The file is empty.", "Put device names into it.")
ANOTHER_FORMAT: Final = Unreadable("The file is {what}.", "{fix}")
JSON_ARRAY: Final = Unreadable("The file is one JSON array.", "Write one object on each line, without commas between.")
NOT_COMPRESSED_SO: Final = Unreadable("The file is not compressed as {given}, but: {found}.", "Leave that away.")
COMPRESSED_TWICE: Final = Unreadable("{format} is compressed in itself, and here it is again.", "Upload it as it is.")
DAMAGED: Final = Unreadable("The file is damaged or ends early ({error}).", "Make it again, or upload it again.")
TOO_COMPRESSED: Final = Unreadable(
    "The file becomes more than {ratio} times longer, or longer than {most}, when it is decompressed.",
    "Upload it uncompressed, or in pieces.",
)

# --- What was given about it -----------------------------------------------------------------------------------------

NO_SUCH_MEMBER: Final = Unreadable("A layout has no {name}.", "Give some of {known}.")
NO_TEXT: Final = Unreadable("{name} is not a text.", "Give it in quotes.")
NO_COLUMNS: Final = Unreadable("columns is not an object of texts.", 'Give {{"DeviceName": "your header"}}.')
NO_SUCH_VALUE: Final = Unreadable("{value} is not a {name}.", "Give one of {known}.")
NOT_ONE_CHARACTER: Final = Unreadable("{mark!r} is not one character.", "Give one character as the {name}.")
NO_SUCH_SHEET: Final = Unreadable("There is no sheet {sheet!r}.", "Give one of {known}.")

# --- Its text --------------------------------------------------------------------------------------------------------

UNKNOWN_ENCODING: Final = Unreadable("The encoding {name!r} is not read here.", "Give one of {known}.")
NO_ENCODING: Final = Unreadable(
    "The text is neither UTF-8 nor GBK.", "Save it as UTF-8, or give its encoding, as in windows-1252 or shift_jis."
)
NUL_BYTES: Final = Unreadable(
    "The file holds NUL bytes: UTF-16 without a byte order mark, or no text at all.",
    "Save it as UTF-8, or give its encoding, as in utf-16-le.",
)
LONG_LINE: Final = Unreadable("The line is longer than {most:,} characters.", "Is it a text file with line ends?")
LONG_CELL: Final = Unreadable("A cell is longer than {most:,} characters.", "Is this the right file?")
TOO_MANY_LINES: Final = Unreadable("The file has more than {most:,} lines.", "Cut it into several files.")

# --- Its columns -----------------------------------------------------------------------------------------------------

NO_DEVICE_NAME: Final = Unreadable(
    "There is no column DeviceName (设备名称); the headers found are {headers}.",
    "Rename one, or say which it is: DeviceName=header, or DeviceName=1 if the file has no header.",
)
NO_HEADER: Final = Unreadable("The header is not there any more.", "Let the file's layout be found out again.")
NO_SUCH_HEADER: Final = Unreadable("The file has no column {header!r}; it has {headers}.", "Give another.")
NO_SUCH_NUMBER: Final = Unreadable("The file has {width} columns and no header.", "Give numbers of its columns.")
NO_SUCH_COLUMN: Final = Unreadable("There is no column {name!r}.", "Give some of {known}, tag:KEY.")
REPEATED_HEADER: Final = Unreadable("The file has several columns {header!r}.", "Rename all but one of them.")
TWO_HEADERS: Final = Unreadable(
    "Both {first!r} and {second!r} mean {column}.", "Rename one of them, or say which it is: {column}=header."
)
LATE_KEY: Final = Unreadable(
    "The key {key!r} is here for the first time.", "Write it in the first line too, or give the columns."
)
TOO_MANY_COLUMNS: Final = Unreadable("The file has more than {most} columns.", "Keep those that devices need.")
NO_TAG_KEY: Final = Unreadable(
    "{key!r} cannot be a tag's key.", "A key has 1 to 64 letters, digits and - _ . : @, and is not abc."
)
NO_TEXT_COLUMN: Final = Unreadable("The column {header!r} holds {type}, not text.", "Write it as text.")

# --- A workbook ------------------------------------------------------------------------------------------------------

OPEN_DOCUMENT: Final = Unreadable("The file is an OpenDocument spreadsheet.", "Save it as .xlsx, or as CSV.")
NO_WORKBOOK: Final = Unreadable("The file is a ZIP archive and no XLSX workbook.", "Unpack it, or save it as .xlsx.")
UNSAFE_XML: Final = Unreadable(
    "{part} in the workbook declares a document type or entities, or is not well-formed.", "Save it anew."
)

# --- A correction ----------------------------------------------------------------------------------------------------

NO_LINES: Final = Unreadable("There is no column Line.", "Correct the file of failed rows and leave Line in it.")
NO_LINE: Final = Unreadable(
    "Line is {text!r}: no line number, or one that was there before.", "Leave Line as the file of failed rows has it."
)
UNREADABLE_CORRECTION: Final = Unreadable("A row of the correction cannot be read: {problem}.", "{fix}")

# --- What goes out ---------------------------------------------------------------------------------------------------

NO_RECIPIENT: Final = Unreadable("{text!r} is not an age public key.", "Give one as age-keygen prints it: age1….")
NO_IDENTITY: Final = Unreadable("That is not an age identity.", "Give one as age-keygen writes it: AGE-SECRET-KEY-1….")
NOT_OPENED: Final = Unreadable(
    "The file was not encrypted to this key, or it is damaged ({error}).", "Take another key, or fetch the file again."
)
NO_MANIFEST: Final = Unreadable("That is not a manifest.", "Fetch it again from /v1/exports/{{id}}/manifest.")
