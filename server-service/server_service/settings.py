"""What a Server is told by its environment."""

from taonet.kit.settings import ChainAccess, LogSettings, WalletSettings


class ServerSettings(LogSettings, ChainAccess, WalletSettings):
    redis_url: str = ""
    """Redis or Valkey, which remembers nonces: redis://:password@host:port/0. Without one, the
    process remembers its own, which is enough where one process serves a hotkey."""
    server_model: str
    """A folder with a causal language model in safetensors, or its name on the hub."""
    server_network_tokenizer: str = ""
    """The network's tokenizer.json; the starter network's if empty. A model with another one
    reads and answers through text."""
    server_name: str = "server"
    """What others call this Server; at most 32 printable characters."""
    server_host: str = "0.0.0.0"  # noqa: S104 (a Server is there to be reached from outside)
    """The address of this machine that the Server listens at."""
    server_drain_seconds: int = 30
    """For requests in flight when the process is told to stop."""
    server_axon_ip: str = "127.0.0.1"
    """The address that the chain tells others; this Server must be reachable there."""
    server_axon_port: int = 8091
    """The port that the chain tells others."""
    server_port: int = 0
    """The port that the Server listens at; 0: the one that the chain tells others."""
    server_engine: str = "auto"
    """What writes texts: ctranslate2, torch, or auto: the first where it can convert the model."""
    server_compute_type: str = "float32"
    """What CTranslate2 computes with: float32, int8, bfloat16, float16, or auto: int8 if its loss
    on held-out text is at most 0.02 nats higher."""
    server_device: str = "auto"
    """Where the model computes: cpu, cuda, mps, or auto: cuda where it is there, else cpu."""
    server_dtype: str = "float32"
    """What torch computes with: float32 (rows of a batch are independent), bfloat16, float16."""
    server_cache_path: str = "~/.taonet/cache"
    """Where converted models are kept."""
    corpus_path: str = "~/.taonet/corpus"
    """The text to learn from, and to measure int8 on; built from this Python if there is none."""
    server_threads: int = 1
    """Processor threads of one model. One is fastest for models of a few million parameters."""
    server_prefix_mebibytes: int = 64
    """Memory for what texts begin with, so that torch reads it once; 0 for none."""
    server_queue_size: int = 128
    """How many requests of each sort wait; the next is refused at once."""
    server_stake_floor_rao: int = 0
    """Callers that hold less stake are refused."""
    server_stake_floors: str = ""
    """Other floors for some kinds of request: text-causal-lm-next=1000000000,generate=0."""
    server_rate_per_second: float = 50
    """Requests per second that one caller may send, in the long run."""
    server_rate_burst: float = 200
    """Requests that one caller may send at once."""
    server_batch_size: int = 64
    """Rows of one request."""
    server_sequence_length: int = 1024
    """Tokens of one row, and of a prompt with its answer; at most the model's own context."""
    server_new_tokens: int = 1024
    """Tokens of one answer."""
    server_requests: str = ""
    """The kinds of request to serve, separated by commas; nothing means all."""
    server_heartbeat_blocks: int = 100
    """Blocks between two announcements of this Server's address."""
    server_learn: bool = False
    """Whether to learn from the train split while serving, and to serve what was learnt."""
    server_learn_steps: int = 200
    """Steps of one lesson; after each the weights are judged."""
    server_learn_path: str = "~/.taonet/learnt"
    """Where the weights that were learnt are kept, in a folder of the Server's name."""
    server_behaviour: str = "honest"
    """For tests of Validators: honest, noise, constant, malformed, silent, lookup, relay=UID or
    slow=SECONDS."""
