"""`nameplate keys rotate-master`: every sealed value is sealed again under a new master key."""

from nameplate.data_dir import StartError, adopt_new_key, alone_with_keys, read_master_key, stage_new_key
from nameplate.domain.secrets import MasterKey, WrongMasterKeyError
from nameplate.refusal import RefusedError
from nameplate.server import open_registry
from nameplate.settings import Settings
from nameplate.store.database import ConflictError, retried
from nameplate.store.resealing import reseal


def rotate_master(settings: Settings) -> int:
    """Seal everything under a new master key and return how many values that were.

    If it is stopped on the way, the old key or the new one is still the right one, and the next start finds out which.
    Raises StartError.
    """
    with alone_with_keys(settings):
        count = _rotate(settings)
        if settings.new_master_key is None:
            adopt_new_key(settings)
    return count


def _rotate(settings: Settings) -> int:
    with open_registry(settings) as registry:
        old = read_master_key(settings)
        new = MasterKey(stage_new_key(settings))
        try:
            return retried(lambda: reseal(registry.store.database, registry.master, new, previous=old))
        except WrongMasterKeyError:
            message = "Something does not open under the present master key: another rotation has ended. Start again."
        except (RefusedError, ConflictError) as failed:
            message = f"The rotation failed: {getattr(failed, 'reason', failed.__cause__)}. Start it again."
        raise StartError(message)
