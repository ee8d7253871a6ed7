"""The official Python SDK on chat completions, embeddings, models and files."""

import json

# region: import
from openai import OpenAI

# endregion
from pydantic import BaseModel

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQ"
    "AAAABJRU5ErkJggg=="
)


class City(BaseModel):
    name: str
    inhabitants: int


TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}


def chat() -> None:
    # region: chat
    client = OpenAI()
    completion = client.chat.completions.create(
        model="scripted",
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Good morning!"},
        ],
    )
    print(completion.choices[0].message.content)
    # endregion
    assert completion.choices[0].message.content == "Scripted answer to: Good morning!"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert completion.usage.completion_tokens > 0


def plain_stream() -> None:
    client = OpenAI()
    chunks = client.chat.completions.create(
        model="scripted",
        messages=[{"role": "user", "content": "chunks=6"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    text, usage = "", None
    for chunk in chunks:
        usage = chunk.usage or usage
        text += "".join(choice.delta.content or "" for choice in chunk.choices)
    assert text == "w0 w1 w2 w3 w4 w5"
    assert usage is not None
    assert usage.completion_tokens > 0


def stream_helper() -> None:
    client = OpenAI()
    # region: stream
    with client.chat.completions.stream(
        model="scripted", messages=[{"role": "user", "content": "chunks=6 rate=100"}]
    ) as stream:
        for event in stream:
            if event.type == "content.delta":
                print(event.delta, end="", flush=True)
    # endregion
    print()
    final = stream.get_final_completion()
    assert final.choices[0].message.content == "w0 w1 w2 w3 w4 w5"


def parse() -> None:
    client = OpenAI()
    completion = client.chat.completions.parse(
        model="scripted", messages=[{"role": "user", "content": "A city?"}], response_format=City
    )
    assert isinstance(completion.choices[0].message.parsed, City)


def tools() -> None:
    client = OpenAI()
    messages = [{"role": "user", "content": "How is the weather in Oslo?"}]
    with client.chat.completions.stream(
        model="scripted", messages=messages, tools=[TOOL]
    ) as stream:
        stream.until_done()
    choice = stream.get_final_completion().choices[0]
    assert choice.finish_reason == "tool_calls"
    calls = choice.message.tool_calls
    assert calls
    assert json.loads(calls[0].function.arguments) == {"city": "Oslo"}
    messages.append(choice.message.model_dump(exclude_none=True, include={"role", "tool_calls"}))
    messages.append({"role": "tool", "tool_call_id": calls[0].id, "content": "sunny"})
    answer = client.chat.completions.create(model="scripted", messages=messages, tools=[TOOL])
    assert answer.choices[0].message.content == "The tool answered: sunny"


def embeddings() -> None:
    client = OpenAI()
    # region: embeddings
    embeddings = client.embeddings.create(model="scripted", input=["a cat", "a dog"])
    print(len(embeddings.data), len(embeddings.data[0].embedding))
    # endregion
    again = client.embeddings.create(model="scripted", input="a cat", encoding_format="float")
    one, other = embeddings.data[0].embedding, again.data[0].embedding
    assert len(one) == len(other) > 0
    assert all(abs(a - b) < 1e-6 for a, b in zip(one, other, strict=True))
    assert embeddings.usage.prompt_tokens > 0


def models() -> None:
    client = OpenAI()
    assert "scripted" in [model.id for model in client.models.list()]
    assert client.models.retrieve("scripted").owned_by


def images() -> None:
    client = OpenAI()
    completion = client.chat.completions.create(
        model="scripted",
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "echo: seen"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                ],
            }
        ],
    )
    assert completion.choices[0].message.content


for part in (chat, plain_stream, stream_helper, parse, tools, embeddings, models, images):
    print(f"── {part.__name__}")
    part()
