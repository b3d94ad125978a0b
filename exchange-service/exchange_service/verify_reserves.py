"""Verify what the exchange says it holds: python -m exchange_service.verify_reserves PROOF [PATH].

PROOF is the answer of /exchange/v1/reserves, PATH that of /exchange/v1/reserves/path, as files.
Short on purpose: read it, and trust that instead of us. Amounts on the chains are yours to ask
for, of a node of your own: `gettxout` for each coin, `/accounts/{address}` for each TAO address.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from bittensor_wallet import Keypair
from embit import ec, script
from embit.networks import NETWORKS


def number(value: Any) -> bytes:
    return int(value).to_bytes(16, "big")  # A negative amount raises OverflowError.


def verify_path(proof: dict[str, Any], path: dict[str, Any]) -> None:
    """Check that a user's balances are in the sums that the root commits to."""
    leaf, sat, rao = path["leaf"], int(path["leaf"]["sat"]), int(path["leaf"]["rao"])
    parts = number(leaf["account_id"]) + number(sat) + number(rao)
    at = hashlib.sha256(b"leaf" + bytes.fromhex(leaf["salt"]) + parts).digest()
    for one in path["siblings"]:
        own = at + number(sat) + number(rao)
        other = bytes.fromhex(one["hash"]) + number(one["sat"]) + number(one["rao"])
        pair = other + own if one["is_left"] else own + other
        at = hashlib.sha256(b"node" + pair).digest()
        sat, rao = sat + int(one["sat"]), rao + int(one["rao"])
    owed = [proof["root"], proof["owed_sat"], proof["owed_rao"]]
    assert [at.hex(), str(sat), str(rao)] == owed, "this balance is not in the sums"


def verify_proof(proof: dict[str, Any]) -> None:
    """Check that the keys of all addresses signed these sums, and that they hold as much."""
    sums = f"{proof['root']} {proof['owed_sat']} {proof['owed_rao']} "
    assert proof["challenge"].startswith(sums), "other sums were signed"
    addresses = [one["address"] for one in proof["controls"]]
    assert len(set(addresses)) == len(addresses), "an address is counted twice"
    text = b"taonet reserves: " + proof["challenge"].encode()
    for one in proof["controls"]:
        key, signature = bytes.fromhex(one["public_key"]), bytes.fromhex(one["signature"])
        if one["asset"] == "BTC":
            public = ec.PublicKey.parse(key)
            own = script.p2wpkh(public).address(NETWORKS["regtest"]) == one["address"]
            good = public.verify(ec.Signature.parse(signature), hashlib.sha256(text).digest())
        else:
            own, good = True, Keypair(ss58_address=one["address"]).verify(text, signature)
        assert own, f"{one['address']} is another key's"
        assert good, f"{one['address']} did not sign"
    for asset, owed in (("BTC", proof["owed_sat"]), ("TAO", proof["owed_rao"])):
        held = sum(int(one["amount"]) for one in proof["controls"] if one["asset"] == asset)
        assert held >= int(owed), f"{asset}: {held} held, {owed} owed"


if __name__ == "__main__":
    files = [json.loads(Path(name).read_text()) for name in sys.argv[1:]]
    verify_proof(files[0])
    for path in files[1:]:
        verify_path(files[0], path)
    print("verified:", files[0]["challenge"])  # noqa: T201
