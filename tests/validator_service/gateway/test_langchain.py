"""LangChain's ChatOpenAI, unmodified."""

import warnings
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from langchain_openai import ChatOpenAI, OpenAIEmbeddings

TAO = 10**9


@pytest.fixture
def server(make_server: Any, tokenizer: Any) -> Any:
    return make_server(incentive=0.5, text=tokenizer.encode(" return first + second").ids)


@pytest.mark.filterwarnings("ignore")
def test_it_invokes_streams_and_embeds(server: Any, consumer: Any) -> None:
    consumer.pay(TAO)
    address: Any = {"base_url": f"{consumer.gateway.url}/v1", "api_key": consumer.key.api_key}
    model = ChatOpenAI(model="network/best", temperature=0, max_retries=0, **address)

    answer = model.invoke([("system", "Be brief."), ("human", "Add.")])
    streamed = "".join(chunk.text for chunk in model.stream("Add."))
    vectors = OpenAIEmbeddings(
        model="server/0", check_embedding_ctx_length=False, **address
    ).embed_documents(["one", "two"])

    assert answer.text == "return first + second" == streamed
    assert answer.usage_metadata is not None
    assert len(vectors) == 2
    assert consumer.account().balance_rao < TAO
