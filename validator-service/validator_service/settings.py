"""The Validator's settings, each read from the environment as TAONET_<NAME>."""

from typing import Literal

from pydantic import Field

from taonet.kit.settings import ChainAccess, StoreSettings, WalletSettings
from validator_service.domain.pricing import Price, PriceList
from validator_service.domain.prompts import Shape
from validator_service.domain.scores import Rules


class ValidatorSettings(StoreSettings, ChainAccess, WalletSettings):
    validator_name: str = "validator"
    """What the chain shows, and the prefix of this Validator's keys in Redis."""
    validator_round_seconds: float = 4.0
    """Time between two rounds."""
    validator_answer_seconds: float = 3.0
    """How long Servers may take for an answer, and so the longest part of a round."""
    validator_prompts: int = 8
    """Questions of its own that each Server is asked in a round."""
    validator_canaries: int = 4
    """Questions besides, the same for all Servers: by them copies are found."""
    validator_top_k: int = 128
    """How many phrases a Server may name for each question."""
    validator_weight_cap: float = 0.5
    """The greatest share of the weights that one Server may have; the chain may allow less."""
    validator_first_weights_rounds: int = 6
    """Rounds to score before the first weights are set."""
    validator_scoring: Literal["scaling-law", "shapley"] = "scaling-law"
    """What a Server is worth: by the loss of its own answers, or by what it adds to all others'."""
    validator_private_addresses: bool = False
    """Whether Servers at loopback and private addresses are asked: yes for a box of one's own."""
    validator_axon_ip: str = "127.0.0.1"
    """Where others reach the gateway, as the chain shows it."""
    validator_host: str = "127.0.0.1"
    """The address of this machine that the gateway listens at; 0.0.0.0 where no proxy stands
    before it."""
    validator_axon_port: int = 8080
    """The gateway's port, as the chain shows it."""
    validator_body_seconds: float = Field(30.0, gt=0)
    """How long a request's body may take to arrive at the gateway; then 408, and the connection
    is closed."""
    corpus_path: str = "~/.taonet/corpus"
    """The folder of the corpus; only its held-out part is read here."""
    tokenizer_path: str = ""
    """The network's tokenizer; the starter network's if empty."""
    validator_price_input_rao: int = 100_000_000
    """What consumers pay for a million tokens of their prompts."""
    validator_price_output_rao: int = 400_000_000
    """What consumers pay for a million tokens of answers."""
    validator_prices: dict[str, Price] = Field(
        {"network/ensemble": Price(300_000_000, 1_200_000_000)}
    )
    """Models that cost something else, each with input_rao and output_rao for a million tokens."""
    validator_requests_per_minute: int = Field(600, ge=1)
    """How many calls an account may make; as many at once after a quiet minute."""
    validator_tokens_per_minute: int = Field(1_000_000, ge=1)
    """How many tokens an account's calls may need in a minute, prompts and answers together."""
    validator_hedging: bool = False
    """Whether a second Server is asked when the first is slower than 95 % of its last answers."""
    validator_reservation_seconds: float = Field(30.0, ge=1)
    """How long a call's money stays reserved after the gateway that reserved it died."""
    validator_organic_percent: int = Field(10, ge=0, le=100)
    """How many of consumers' calls lend Servers' questions a passage of their prompt. Nobody's
    who says no, by key (`--private`) or by the header `x-taonet-private: true`."""
    exchange_url: str = "http://127.0.0.1:8070"
    """Where consumers are told to buy TAO."""
    validator_take_percent: int = Field(20, ge=0, le=100)
    """The Validator's part of what consumers pay; the rest is the Servers' that answered."""
    validator_payout_seconds: float = 60.0
    """Time between two looks at what the Servers are owed."""
    validator_payout_minimum_rao: int = Field(1_000_000, ge=1_000)
    """The least that a Server's owner is sent at once; each transfer costs the Validator a fee."""

    def shape(self) -> Shape:
        return Shape(prompts=self.validator_prompts, canaries=self.validator_canaries)

    def rules(self) -> Rules:
        return Rules(rule=self.validator_scoring)

    def prices(self) -> PriceList:
        default = Price(self.validator_price_input_rao, self.validator_price_output_rao)
        return PriceList(default, self.validator_prices)
