"""LiteLLM: the provider is `openai/`, the address `OPENAI_BASE_URL`."""

# region: import
import litellm

# endregion

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}

# region: completion
answer = litellm.completion(
    model="openai/scripted", messages=[{"role": "user", "content": "Good morning!"}]
)
print(answer.choices[0].message.content)
# endregion
assert answer.choices[0].message.content == "Scripted answer to: Good morning!"
assert answer.usage.completion_tokens > 0

chunks = litellm.completion(
    model="openai/scripted",
    messages=[{"role": "user", "content": "chunks=6"}],
    stream=True,
    stream_options={"include_usage": True},
)
assert "".join(c.choices[0].delta.content or "" for c in chunks) == "w0 w1 w2 w3 w4 w5"

messages = [{"role": "user", "content": "How is the weather in Oslo?"}]
called = litellm.completion(model="openai/scripted", messages=messages, tools=[TOOL])
call = called.choices[0].message.tool_calls[0]
messages += [
    called.choices[0].message.model_dump(exclude_none=True),
    {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
]
told = litellm.completion(model="openai/scripted", messages=messages, tools=[TOOL])
assert told.choices[0].message.content == "The tool answered: sunny"

# region: responses
response = litellm.responses(model="openai/scripted", input="Good morning!")
print(response.output[0].content[0].text)
# endregion
assert response.output[0].content[0].text == "Scripted answer to: Good morning!"
assert response.usage.output_tokens > 0
text = "".join(
    event.delta
    for event in litellm.responses(model="openai/scripted", input="chunks=6", stream=True)
    if event.type == "response.output_text.delta"
)
assert text == "w0 w1 w2 w3 w4 w5"

# region: embedding
embedding = litellm.embedding(model="openai/scripted", input=["a cat", "a dog"])
# endregion
assert len(embedding.data) == 2
assert len(embedding.data[0]["embedding"]) > 0
