"""The ridership model's contract, read from contract.toml beside this file."""

from importlib.resources import files

from mlops.models.contract import Contract

_FILE = files(__package__) / "contract.toml"
RIDERSHIP = Contract.from_toml(_FILE.read_text(encoding="utf-8"), str(_FILE))
