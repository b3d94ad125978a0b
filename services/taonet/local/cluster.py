"""
The whole cluster of the embedded mode as data: which processes there are, and how each starts.

Pure: it follows from the settings, the home and the stores alone. `docs/interfaces.md` has the
table that this module spells out.
"""

import signal
import sys
from dataclasses import replace
from urllib.parse import urlsplit

from taonet.kit.reading import ROLE
from taonet.local import kinds
from taonet.local.kinds import DRAIN_SECONDS, NURSERY
from taonet.local.place import HOST, Place
from taonet.local.processes import HttpProbe, PostgresProbe, ProcessSpec, ValkeyProbe

MODELS = {"server-1": "acorn", "server-2": "sapling", "server-3": "birch", "server-4": "oak"}
"""Which starter model each Server holds: of visibly different quality."""
VALIDATORS = (1, 2)
NURSERY_IMPORTS = (
    "fastapi",
    "uvicorn",
    "uvicorn.protocols.http.httptools_impl",
    "psycopg",
    "psycopg_pool",
    "embit.transaction",
    "celery.bin.celery",
    "celery.apps.worker",
    "celery.apps.beat",
    "celery.concurrency.prefork",
    "kombu.transport.redis",
    "httpx",
    "bittensor_wallet",
    "numpy",
    "tokenizers",
    "safetensors.numpy",
    "taonet.kit.web",
    "taonet.kit.queue",
    "taonet.kit.outbox",
    "taonet.kit.keys",
)
"""What nearly every service imports; see docs/decisions/0002."""
MODEL_IMPORTS = (
    *("fastapi", "uvicorn", "uvicorn.protocols.http.httptools_impl", "httpx", "bittensor_wallet"),
    *("taonet.kit.web", "taonet.kit.keys", "torch", "transformers", "safetensors.torch"),
    "ctranslate2",
    *("transformers.models.auto.modeling_auto", "transformers.models.llama.modeling_llama"),
)
MODEL_NURSERY = "model-nursery"
NURSERY_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
}
"""Read by libraries as they are loaded: a thread each, for processes outnumber the cores."""
MODEL_READY_SECONDS = 120.0


def describe_cluster(
    place: Place, prometheus: str | None = None, alertmanager: str | None = None
) -> tuple[ProcessSpec, ...]:
    """
    Return all processes, in an order where each waits only for earlier ones.

    `prometheus` and `alertmanager` are the programs' paths where they are installed.
    """
    specs = [
        *_stores(place),
        *_nurseries(),
        *_steps(place),
        *_chain(place),
        *(_server(place, name) for name in MODELS),
        *(spec for number in VALIDATORS for spec in _validator(place, number)),
        *_market(place),
        _explorer(place),
        _exporter(place),
    ]
    if prometheus is not None:
        specs.append(_prometheus(place, prometheus))
    if alertmanager is not None:
        specs.append(_alertmanager(place, alertmanager))
    return tuple(specs)


def _stores(place: Place) -> list[ProcessSpec]:
    specs = []
    if place.stores.postgres is not None:
        spec = kinds.program(place, "postgres", place.stores.postgres)
        asked = PostgresProbe(place.stores.database_url)
        # SIGINT is Postgres' fast stop: it ends the sessions, and needs no recovery afterwards.
        specs.append(replace(spec, probe=asked, stop_signal=signal.SIGINT))
    if place.stores.valkey is not None:
        password = urlsplit(place.stores.redis_url).password
        assert password is not None
        probe = ValkeyProbe(place.port("valkey"), password)
        specs.append(replace(kinds.program(place, "valkey", place.stores.valkey), probe=probe))
    return specs


def _nurseries() -> list[ProcessSpec]:
    return [
        ProcessSpec(
            name,
            (sys.executable, "-m", "taonet.local.nursery", *imports),
            nurses=True,
            environment=NURSERY_ENVIRONMENT,
            ready_seconds=MODEL_READY_SECONDS,
        )
        for name, imports in {NURSERY: NURSERY_IMPORTS, MODEL_NURSERY: MODEL_IMPORTS}.items()
    ]


def _steps(place: Place) -> list[ProcessSpec]:
    keys = {"WALLET_PATH": str(place.home.wallets)}
    text = {"CORPUS_PATH": str(place.home.corpus)}
    passwords = {
        f"PASSWORD_{owner.upper()}": password for owner, password in place.stores.passwords.items()
    }
    schemas = {"DATABASE_URL": place.stores.database_url, **passwords}
    wallets = kinds.nursed(place, "wallets", ("taonet.local.wallets",), keys)
    corpus = kinds.nursed(place, "corpus", ("taonet.local.text",), text)
    migrate = kinds.nursed(place, "migrate", ("taonet.local.migrate",), schemas)
    return [
        replace(wallets, once=True),
        replace(corpus, once=True),
        replace(migrate, once=True, after=place.if_embedded("postgres")),
    ]


def _chain(place: Place) -> list[ProcessSpec]:
    environment = {
        **place.store("chain"),
        **place.wallet("chain", "author"),
        "CHAIN_PRESET": place.settings.preset,
        "CHAIN_TOKENIZER_PATH": f"{place.settings.models()}/tokenizer.json",
    }
    web = kinds.web(place, "chain", "chain_service.app:create_app", environment)
    author = kinds.worker(place, "chain-author", ("chain_service.worker",), environment)
    followed = {**place.store("chain_follower"), "CHAIN_FOLLOW": place.address("chain")}
    follower = kinds.worker(place, "chain-follower", ("chain_service.worker",), followed)
    return [
        *(replace(spec, after=place.after_schemas()) for spec in (web, author)),
        replace(follower, after=("migrate", "chain", "chain-author")),
    ]


def _server(place: Place, name: str) -> ProcessSpec:
    environment = {
        **place.wallet("operator", name),
        "REDIS_URL": place.stores.redis_url,
        "SERVER_NAME": name,
        "SERVER_MODEL": f"{place.settings.models() / MODELS[name]}",
        "SERVER_HOST": HOST,
        "SERVER_DRAIN_SECONDS": str(DRAIN_SECONDS),
        "SERVER_AXON_IP": HOST,
        "SERVER_AXON_PORT": str(place.port(name)),
        "SERVER_CACHE_PATH": str(place.home.path / "models"),
        "CORPUS_PATH": str(place.home.corpus),
    }
    spec = kinds.nursed(place, name, ("server_service",), environment)
    port = place.port(name)
    after = ("wallets", *place.if_embedded("valkey"), "chain", "chain-author")
    return replace(
        spec,
        nursery=MODEL_NURSERY,
        port=port,
        probe=HttpProbe(port),
        after=after,
        ready_seconds=MODEL_READY_SECONDS,
    )


def _validator(place: Place, number: int) -> list[ProcessSpec]:
    name = f"validator-{number}"
    environment = {
        **place.store(f"validator_{number}"),
        **place.wallet("operator", name),
        "CORPUS_PATH": str(place.home.corpus),
        "TOKENIZER_PATH": f"{place.settings.models()}/tokenizer.json",
        "VALIDATOR_NAME": name,
        "VALIDATOR_PRIVATE_ADDRESSES": "true",
        "VALIDATOR_AXON_IP": HOST,
        "VALIDATOR_AXON_PORT": str(place.port(f"{name}-gateway")),
        "EXCHANGE_URL": place.address("exchange"),
    }
    celery = ("celery", "-A", "validator_service.worker")
    worker = (*celery, "worker", "-n", f"{name}@%h", "--without-gossip", "--without-mingle")
    beat = (*celery, "beat")
    after = (*place.after_schemas(), "corpus", "chain", "chain-author")
    return [
        replace(spec, after=after)
        for spec in (
            kinds.web(place, f"{name}-gateway", "validator_service.app:create_app", environment),
            kinds.nursed(place, f"{name}-worker", worker, environment),
            kinds.nursed(place, f"{name}-beat", beat, environment),
        )
    ]


def _market(place: Place) -> list[ProcessSpec]:
    token = {"EXCHANGE_SIGNER_TOKEN": place.stores.passwords["exchange_signer"]}
    bitcoin = _bitcoin(place)
    shared = {**place.store("exchange"), **place.wallet("exchange", "default"), **token}
    passphrase = place.stores.passwords["exchange_wallet"]
    keys = {**shared, "EXCHANGE_WALLET_PASSPHRASE": passphrase}
    signer = kinds.web(place, "exchange-signer", "exchange_service.signer.app:create_app", keys)
    environment = {
        **shared,
        "EXCHANGE_SIGNER_URL": place.address("exchange-signer"),
        "BITCOIN_URL": place.bitcoin_url(),
        "EXCHANGE_OPERATOR_TOKEN": place.stores.passwords["exchange_operator"],
    }
    web = kinds.web(place, "exchange", "exchange_service.app:create_app", environment)
    web = replace(web, command=("exchange_service.serving", *web.command[1:]))
    trading = {
        **place.wallet("exchange", "default"),
        "EXCHANGE_URL": place.address("exchange"),
    }
    maker = kinds.worker(place, "market-maker", ("exchange_service.worker",), trading)
    purse = {
        **place.wallet("operator", "default"),
        "GATEWAY_URL": place.address("validator-1-gateway"),
        "EXCHANGE_URL": place.address("exchange"),
        "TREASURY_PATH": str(place.home.path),
    }
    treasury = kinds.worker(place, "treasury", ("taonet.local.treasury",), purse)
    return [
        bitcoin,
        replace(signer, after=place.after_schemas()),
        replace(web, after=(*place.after_schemas(), "chain", "exchange-signer", "bitcoin")),
        replace(maker, after=("exchange",)),
        replace(treasury, after=("exchange", "validator-1-gateway", "chain-author")),
    ]


def _bitcoin(place: Place) -> ProcessSpec:
    environment = {
        **place.store("bitcoin"),
        "BITCOIN_RPC_PASSWORD": place.stores.passwords["bitcoin"],
    }
    spec = kinds.web(place, "bitcoin", "bitcoin_node.app:create_app", environment)
    return replace(spec, after=place.after_schemas())


def _explorer(place: Place) -> ProcessSpec:
    environment = {
        "GATEWAY_URL": place.address("validator-1-gateway"),
        "EXPLORER_VALIDATORS": ",".join(
            place.address(f"validator-{number}-gateway") for number in VALIDATORS[1:]
        ),
        "EXCHANGE_URL": place.address("exchange"),
        "PROMETHEUS_URL": place.address("prometheus"),
        "EXPLORER_DASHBOARDS_DATABASE_URL": place.stores.url(ROLE),
    }
    spec = kinds.web(place, "explorer", "taonet.explorer.app:create_app", environment)
    return replace(spec, after=("chain",))


def _exporter(place: Place) -> ProcessSpec:
    spec = kinds.web(place, "exporter", "taonet.exporter.app:create_app", place.store(ROLE))
    return replace(spec, after=place.after_schemas())


def _alertmanager(place: Place, program: str) -> ProcessSpec:
    folder, port = place.home.path / "alertmanager", place.port("alertmanager")
    arguments = (
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder}/data",
        f"--web.listen-address={HOST}:{port}",
        "--cluster.listen-address=",
    )
    probe = HttpProbe(port, "/-/ready")
    return ProcessSpec("alertmanager", (program, *arguments), port=port, probe=probe)


def _prometheus(place: Place, program: str) -> ProcessSpec:
    folder, port = place.home.path / "prometheus", place.port("prometheus")
    arguments = (f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder}/data")
    listen = f"--web.listen-address={HOST}:{port}"
    probe = HttpProbe(port, "/-/ready")
    return ProcessSpec("prometheus", (program, *arguments, listen), port=port, probe=probe)
