"""Triggers that write down each claim on a part, and each time that one is done."""

from typing import Final

AUDIT: Final = {
    "sqlite": (
        "CREATE TABLE audit (what TEXT, batch_id INTEGER)",
        """CREATE TRIGGER claimed AFTER UPDATE OF owner ON part WHEN NEW.owner IS NOT NULL
        BEGIN INSERT INTO audit VALUES ('claimed', NEW.batch_id); END""",
        """CREATE TRIGGER done AFTER UPDATE OF is_done ON part WHEN NEW.is_done = 1
        BEGIN INSERT INTO audit VALUES ('done', NEW.batch_id); END""",
    ),
    "postgresql": (
        "CREATE TABLE audit (what TEXT, batch_id BIGINT)",
        """CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN INSERT INTO audit VALUES (TG_NAME, NEW.batch_id); RETURN NULL; END'""",
        """CREATE TRIGGER claimed AFTER UPDATE OF owner ON part FOR EACH ROW WHEN (NEW.owner IS NOT NULL)
        EXECUTE FUNCTION note()""",
        """CREATE TRIGGER done AFTER UPDATE OF is_done ON part FOR EACH ROW WHEN (NEW.is_done = 1)
        EXECUTE FUNCTION note()""",
    ),
}
