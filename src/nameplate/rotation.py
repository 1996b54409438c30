"""`nameplate keys rotate-master`: every sealed value is sealed again under a new master key."""

from nameplate.data_dir import adopt_new_key, read_master_key, stage_new_key
from nameplate.domain.secrets import MasterKey
from nameplate.server import open_registry
from nameplate.settings import Settings
from nameplate.store.resealing import reseal


def rotate_master(settings: Settings) -> int:
    """Seal everything under a new master key and return how many values that were.

    If it is stopped on the way, the old key or the new one is still the right one, and the next start finds out which.
    Raises StartError.
    """
    with open_registry(settings) as registry:
        old = read_master_key(settings)
        new = stage_new_key(settings)
        count = reseal(registry.store.database, registry.master, MasterKey(new), previous=old)
    if settings.new_master_key is None:
        adopt_new_key(settings)
    return count
