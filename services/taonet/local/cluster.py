"""
The whole cluster of the embedded mode as data: which processes there are, and how each starts.

Pure: it follows from the settings, the home and the stores alone. `docs/interfaces.md` has the
table that this module spells out.
"""

import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from taonet.kit.reading import ROLE
from taonet.local.command import Command
from taonet.local.home import Home
from taonet.local.processes import HttpProbe, PostgresProbe, ProcessSpec, ValkeyProbe
from taonet.local.settings import LocalSettings
from taonet.local.stores import POSTGRES_OFFSET, VALKEY_OFFSET, Stores

OFFSETS = {
    "explorer": 0,
    "postgres": POSTGRES_OFFSET,
    "exchange": 70,
    "exchange-signer": 71,
    "bitcoin": 72,
    "valkey": VALKEY_OFFSET,
    "validator-1-gateway": 80,
    "validator-2-gateway": 81,
    "server-1": 91,
    "server-2": 92,
    "server-3": 93,
    "server-4": 94,
    "market-maker": 73,
    "treasury": 74,
    "exporter": 90,
    "prometheus": 1090,
    "alertmanager": 1093,
    "chain": 1944,
    "chain-author": 1946,
    "chain-follower": 1947,
}
"""What is added to TAONET_PORT_BASE."""
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
NURSERY = "nursery"
MODEL_NURSERY = "model-nursery"
NURSERY_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
}
"""Read by libraries as they are loaded: a thread each, for processes outnumber the cores."""
HOST = "127.0.0.1"
DRAIN_SECONDS = 3
"""How long a web server waits for its open requests; streams that have no end are cut then."""
MODEL_READY_SECONDS = 120.0


@dataclass(frozen=True)
class Place:
    """Where this cluster is: what its description follows from."""

    settings: LocalSettings
    home: Home
    stores: Stores

    def port(self, name: str) -> int:
        return self.settings.port_base + OFFSETS[name]

    def address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port(name)}"

    def bitcoin_url(self) -> str:
        """Return the Bitcoin node's JSON-RPC, with user and password."""
        return f"http://taonet:{self.stores.passwords['bitcoin']}@{HOST}:{self.port('bitcoin')}"


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
        spec = _program(place, "postgres", place.stores.postgres)
        asked = PostgresProbe(place.stores.database_url)
        # SIGINT is Postgres' fast stop: it ends the sessions, and needs no recovery afterwards.
        specs.append(replace(spec, probe=asked, stop_signal=signal.SIGINT))
    if place.stores.valkey is not None:
        password = urlsplit(place.stores.redis_url).password
        assert password is not None
        probe = ValkeyProbe(place.port("valkey"), password)
        specs.append(replace(_program(place, "valkey", place.stores.valkey), probe=probe))
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
    wallets = _nursed(place, "wallets", ("taonet.local.wallets",), keys)
    corpus = _nursed(place, "corpus", ("taonet.local.text",), text)
    migrate = _nursed(place, "migrate", ("taonet.local.migrate",), schemas)
    return [
        replace(wallets, once=True),
        replace(corpus, once=True),
        replace(migrate, once=True, after=_if_embedded(place, "postgres")),
    ]


def _chain(place: Place) -> list[ProcessSpec]:
    environment = {
        **_store(place, "chain"),
        **_wallet(place, "chain", "author"),
        "CHAIN_PRESET": place.settings.preset,
        "CHAIN_TOKENIZER_PATH": f"{place.settings.models()}/tokenizer.json",
    }
    web = _web(place, "chain", "chain_service.app:create_app", environment)
    author = _worker(place, "chain-author", ("chain_service.worker",), environment)
    followed = {**_store(place, "chain_follower"), "CHAIN_FOLLOW": place.address("chain")}
    follower = _worker(place, "chain-follower", ("chain_service.worker",), followed)
    return [
        *(replace(spec, after=_after_schemas(place)) for spec in (web, author)),
        replace(follower, after=("migrate", "chain", "chain-author")),
    ]


def _server(place: Place, name: str) -> ProcessSpec:
    environment = {
        **_wallet(place, "operator", name),
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
    spec = _nursed(place, name, ("server_service",), environment)
    port = place.port(name)
    after = ("wallets", *_if_embedded(place, "valkey"), "chain", "chain-author")
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
        **_store(place, f"validator_{number}"),
        **_wallet(place, "operator", name),
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
    after = (*_after_schemas(place), "corpus", "chain", "chain-author")
    return [
        replace(spec, after=after)
        for spec in (
            _web(place, f"{name}-gateway", "validator_service.app:create_app", environment),
            _nursed(place, f"{name}-worker", worker, environment),
            _nursed(place, f"{name}-beat", beat, environment),
        )
    ]


def _market(place: Place) -> list[ProcessSpec]:
    token = {"EXCHANGE_SIGNER_TOKEN": place.stores.passwords["exchange_signer"]}
    bitcoin = _bitcoin(place)
    shared = {**_store(place, "exchange"), **_wallet(place, "exchange", "default"), **token}
    passphrase = place.stores.passwords["exchange_wallet"]
    keys = {**shared, "EXCHANGE_WALLET_PASSPHRASE": passphrase}
    signer = _web(place, "exchange-signer", "exchange_service.signer.app:create_app", keys)
    environment = {
        **shared,
        "EXCHANGE_SIGNER_URL": place.address("exchange-signer"),
        "BITCOIN_URL": place.bitcoin_url(),
        "EXCHANGE_OPERATOR_TOKEN": place.stores.passwords["exchange_operator"],
    }
    web = _web(place, "exchange", "exchange_service.app:create_app", environment)
    web = replace(web, command=("exchange_service.serving", *web.command[1:]))
    trading = {
        **_wallet(place, "exchange", "default"),
        "EXCHANGE_URL": place.address("exchange"),
    }
    maker = _worker(place, "market-maker", ("exchange_service.worker",), trading)
    purse = {
        **_wallet(place, "operator", "default"),
        "GATEWAY_URL": place.address("validator-1-gateway"),
        "EXCHANGE_URL": place.address("exchange"),
        "TREASURY_PATH": str(place.home.path),
    }
    treasury = _worker(place, "treasury", ("taonet.local.treasury",), purse)
    return [
        bitcoin,
        replace(signer, after=_after_schemas(place)),
        replace(web, after=(*_after_schemas(place), "chain", "exchange-signer", "bitcoin")),
        replace(maker, after=("exchange",)),
        replace(treasury, after=("exchange", "validator-1-gateway", "chain-author")),
    ]


def _bitcoin(place: Place) -> ProcessSpec:
    environment = {
        **_store(place, "bitcoin"),
        "BITCOIN_RPC_PASSWORD": place.stores.passwords["bitcoin"],
    }
    spec = _web(place, "bitcoin", "bitcoin_node.app:create_app", environment)
    return replace(spec, after=_after_schemas(place))


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
    spec = _web(place, "explorer", "taonet.explorer.app:create_app", environment)
    return replace(spec, after=("chain",))


def _exporter(place: Place) -> ProcessSpec:
    spec = _web(place, "exporter", "taonet.exporter.app:create_app", _store(place, ROLE))
    return replace(spec, after=_after_schemas(place))


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


def _program(place: Place, name: str, command: Command) -> ProcessSpec:
    return ProcessSpec(
        name,
        tuple(command.arguments),
        environment=command.environment,
        user=command.user,
        port=place.port(name),
    )


def _web(place: Place, name: str, application: str, environment: Mapping[str, str]) -> ProcessSpec:
    port = place.port(name)
    listen = ("--factory", application, "--host", HOST, "--port", str(port))
    quiet = ("--log-level", "warning", "--no-access-log")
    drain = ("--timeout-graceful-shutdown", str(DRAIN_SECONDS))
    spec = _nursed(place, name, ("uvicorn", *listen, *quiet, *drain), environment)
    return replace(spec, port=port, probe=HttpProbe(port))


def _worker(
    place: Place, name: str, command: tuple[str, ...], environment: Mapping[str, str]
) -> ProcessSpec:
    """Describe a process without web pages; it answers Prometheus, and so whether it lives."""
    port = place.port(name)
    spec = _nursed(place, name, command, {**environment, "METRICS_LISTEN": f"{HOST}:{port}"})
    return replace(spec, port=port, probe=HttpProbe(port))


def _nursed(
    place: Place, name: str, command: tuple[str, ...], environment: Mapping[str, str]
) -> ProcessSpec:
    """Describe a Python process: a module with its arguments, forked from the nursery."""
    shared = {"CHAIN_URL": place.address("chain"), "LOG_LEVEL": place.settings.log_level}
    named = {f"TAONET_{key}": value for key, value in {**shared, **environment}.items()}
    return ProcessSpec(name, command, nursery=NURSERY, environment=named)


def _store(place: Place, owner: str) -> dict[str, str]:
    return {"DATABASE_URL": place.stores.url(owner), "REDIS_URL": place.stores.redis_url}


def _wallet(place: Place, name: str, hotkey: str) -> dict[str, str]:
    return {
        "WALLET_PATH": str(place.home.wallets),
        "WALLET_NAME": name,
        "HOTKEY_NAME": hotkey,
    }


def _after_schemas(place: Place) -> tuple[str, ...]:
    return ("wallets", "migrate", *_if_embedded(place, "valkey"))


def _if_embedded(place: Place, name: str) -> tuple[str, ...]:
    return (name,) if getattr(place.stores, name) is not None else ()
