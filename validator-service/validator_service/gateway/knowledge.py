"""Embeddings, next-token distributions and hidden states: knowledge as numbers."""

import base64
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from tokenizers import Tokenizer

from server_service.client import NextPhrases
from taonet.kit.hanging_up import unless_gone
from validator_service.gateway.lookups import HiddenStates, Lookup, NextDistribution
from validator_service.gateway.paying import (
    PayingForKnowledge,
    answer_headers,
    gateway_of,
    order_of,
)
from validator_service.gateway.prompts import read_prompts
from validator_service.gateway.schemas import (
    HARMLESS,
    MODEL_CHARACTERS_MAX,
    Prompt,
    refuse_extras,
)
from validator_service.gateway.shapes import usage

INPUTS_MAX = 64
TOP_K_MAX = 512
TOP_K = 64

router = APIRouter(prefix="/v1", tags=["knowledge"])

Result = TypeVar("Result")
Encoding = Literal["float", "base64"]


class KnowledgeRequest(BaseModel):
    """What all three share; what is not known here is refused by name."""

    model_config = ConfigDict(extra="allow")

    model: str = Field("network/best", max_length=MODEL_CHARACTERS_MAX)

    def check_parameters(self) -> None:
        refuse_extras(self.model_extra, HARMLESS, {})


class EmbeddingRequest(KnowledgeRequest):
    input: Prompt
    encoding_format: Encoding = "float"


class NextRequest(KnowledgeRequest):
    prompt: Prompt
    top_k: int = Field(TOP_K, ge=1, le=TOP_K_MAX)


class HiddenRequest(KnowledgeRequest):
    prompt: Prompt
    encoding_format: Encoding = "float"


@router.post("/embeddings")
async def create_embeddings(
    body: EmbeddingRequest, request: Request, who: PayingForKnowledge
) -> JSONResponse:
    """The mean of a model's last hidden states over each input's tokens."""
    body.check_parameters()
    gateway = gateway_of(request)
    prompts = await read_prompts(body.input, gateway.tokenizer, "input", INPUTS_MAX)
    call = HiddenStates(gateway, order_of(request, who, body.model), prompts)
    found = await run(request, call)
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": encode(hidden.mean(axis=0), body.encoding_format),
        }
        for index, hidden in enumerate(found)
    ]
    answer = {"object": "list", "data": data, "model": body.model, "usage": usage(call)}
    return JSONResponse(answer, headers=answer_headers(request, call))


@router.post("/knowledge/next")
async def show_next(body: NextRequest, request: Request, who: PayingForKnowledge) -> JSONResponse:
    """The likeliest continuations of a prompt, with their probabilities."""
    body.check_parameters()
    gateway = gateway_of(request)
    prompts = await read_prompts(body.prompt, gateway.tokenizer, most=1)
    call = NextDistribution(gateway, order_of(request, who, body.model), prompts, body.top_k)
    (found,) = await run(request, call)
    answer = {
        "object": "knowledge.next",
        "model": body.model,
        "continuations": list_phrases(found, gateway.tokenizer),
        "floor": float(found.floor[0]),
        "usage": usage(call),
    }
    return JSONResponse(answer, headers=answer_headers(request, call))


@router.post("/knowledge/hidden")
async def show_hidden(
    body: HiddenRequest, request: Request, who: PayingForKnowledge
) -> JSONResponse:
    """The last hidden state at each token of a prompt; base64 is of little-endian float32."""
    body.check_parameters()
    gateway = gateway_of(request)
    prompts = await read_prompts(body.prompt, gateway.tokenizer, most=1)
    call = HiddenStates(gateway, order_of(request, who, body.model), prompts)
    (found,) = await run(request, call)
    answer = {
        "object": "knowledge.hidden",
        "model": body.model,
        "tokens": prompts[0],
        "shape": list(found.shape),
        "hidden": encode(found, body.encoding_format),
        "usage": usage(call),
    }
    return JSONResponse(answer, headers=answer_headers(request, call))


async def run(request: Request, call: Lookup[Result]) -> list[Result]:
    return await unless_gone(request, call.run())


def encode(numbers: npt.NDArray[np.float32], encoding: Encoding) -> Any:
    if encoding == "base64":
        return base64.b64encode(numbers.astype("<f4").tobytes()).decode()
    return numbers.tolist()


def list_phrases(found: NextPhrases, tokenizer: Tokenizer) -> list[dict[str, Any]]:
    listed = []
    for row, probability in zip(found.ids[0], found.probabilities[0], strict=True):
        tokens = [int(token) for token in row if token >= 0]
        text = tokenizer.decode(tokens, skip_special_tokens=False)
        listed.append({"tokens": tokens, "text": text, "probability": float(probability)})
    return listed
