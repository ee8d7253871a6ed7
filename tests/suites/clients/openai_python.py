"""The official Python SDK on `/v1/responses`: `OPENAI_BASE_URL` and `OPENAI_API_KEY` say where."""

import json

import openai

# region: import
from openai import OpenAI

# endregion
from pydantic import BaseModel


def answer() -> None:
    # region: answer
    client = OpenAI()
    response = client.responses.create(model="scripted", input="Good morning!")
    print(response.output_text)
    # endregion
    assert response.output_text == "Scripted answer to: Good morning!"
    assert response.usage is not None
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    follow = client.responses.create(
        model="scripted", input="echo: and on", previous_response_id=response.id
    )
    assert follow.output_text == "and on"
    assert client.responses.retrieve(response.id).output_text == response.output_text
    listed = client.responses.input_items.list(follow.id)
    assert len(listed.data) >= 1
    client.responses.delete(response.id)


def stream() -> None:
    client = OpenAI()
    # region: stream
    with client.responses.stream(model="scripted", input="chunks=6 rate=100") as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                print(event.delta, end="", flush=True)
        final = stream.get_final_response()
    # endregion
    print()
    assert final.output_text == "w0 w1 w2 w3 w4 w5"
    assert final.status == "completed"
    assert final.usage is not None


def parse() -> None:
    client = OpenAI()

    # region: parse
    class City(BaseModel):
        name: str
        inhabitants: int

    response = client.responses.parse(model="scripted", input="A city?", text_format=City)
    city = response.output_parsed
    # endregion
    assert isinstance(city, City), response.output_text
    with client.responses.stream(model="scripted", input="A city?", text_format=City) as stream:
        stream.until_done()
        assert stream.get_final_response().output_parsed == city


def tools() -> None:
    client = OpenAI()
    # region: tools
    tool = {
        "type": "function",
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    }
    response = client.responses.create(
        model="scripted", input="How is the weather in Oslo?", tools=[tool]
    )
    while calls := [item for item in response.output if item.type == "function_call"]:
        results = [
            {
                "type": "function_call_output",
                "call_id": call.call_id,
                "output": f"{call.name}: sunny",
            }
            for call in calls
        ]
        response = client.responses.create(
            model="scripted", input=results, tools=[tool], previous_response_id=response.id
        )
    print(response.output_text)
    # endregion
    assert response.output_text == "The tool answered: weather: sunny"
    with client.responses.stream(
        model="scripted", input="How is the weather in Oslo?", tools=[tool]
    ) as stream:
        pieces = [
            event.delta
            for event in stream
            if event.type == "response.function_call_arguments.delta"
        ]
    assert json.loads("".join(pieces)) == {"city": "Oslo"}


def resume() -> None:
    client = OpenAI()
    # region: resume
    text, last, response_id = "", None, ""
    stream = client.responses.create(
        model="scripted-40x100", input="Count.", background=True, stream=True
    )
    for event in stream:
        last = event.sequence_number
        if event.type == "response.created":
            response_id = event.response.id
        if event.type == "response.output_text.delta":
            text += event.delta
            break  # the network is gone, say
    stream.close()

    with client.responses.retrieve(response_id, stream=True, starting_after=last) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                text += event.delta
    # endregion
    assert text == " ".join(f"w{i}" for i in range(40)), text
    assert client.responses.retrieve(response_id).output_text == text


def cancel() -> None:
    client = OpenAI()
    running = client.responses.create(model="scripted-5000x50", input="Count.", background=True)
    client.responses.cancel(running.id)
    with client.responses.retrieve(running.id, stream=True) as rest:
        *_, end = rest
    assert end.type == "response.incomplete"
    assert client.responses.retrieve(running.id).status == "cancelled"


def conversations() -> None:
    client = OpenAI()
    # region: conversations
    conversation = client.conversations.create(metadata={"topic": "demo"})
    client.responses.create(model="scripted", input="echo: one", conversation=conversation.id)
    client.responses.create(model="scripted", input="echo: two", conversation=conversation.id)
    for item in client.conversations.items.list(conversation.id, order="asc"):
        if item.type == "message":
            print(item.role, item.content[0].text)
    # endregion
    items = list(client.conversations.items.list(conversation.id, order="asc"))
    told = [(item.role, item.content[0].text) for item in items]
    assert told == [
        ("user", "echo: one"),
        ("assistant", "one"),
        ("user", "echo: two"),
        ("assistant", "two"),
    ]
    changed = client.conversations.update(conversation.id, metadata={"topic": "changed"})
    assert changed.metadata == {"topic": "changed"}
    client.conversations.delete(conversation.id)


def errors() -> None:
    client = OpenAI()
    try:
        client.responses.create(model="scripted", input="hi", temperature=9)
    except openai.BadRequestError as error:
        refused = error
    assert refused.param == "temperature"
    assert refused.code


for part in (answer, stream, parse, tools, resume, cancel, conversations, errors):
    print(f"── {part.__name__}")
    part()
