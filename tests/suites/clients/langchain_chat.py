"""LangChain's `ChatOpenAI`, over the Responses API and over chat completions."""

import sys

from langchain_core.messages import HumanMessage
from langchain_core.tools import tool

# region: import
from langchain_openai import ChatOpenAI

# endregion
from pydantic import BaseModel

RESPONSES = sys.argv[1] == "responses"


class City(BaseModel):
    """A city of this world."""

    name: str
    inhabitants: int


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


# region: chat
model = ChatOpenAI(model="scripted", use_responses_api=RESPONSES)
print(model.invoke("Good morning!").text)

for chunk in model.stream("chunks=6 rate=100"):
    print(chunk.text, end="", flush=True)
# endregion
print()
answer = model.invoke("Good morning!")
assert answer.text == "Scripted answer to: Good morning!"
assert answer.usage_metadata is not None
assert answer.usage_metadata["output_tokens"] > 0
counting = ChatOpenAI(model="scripted", use_responses_api=RESPONSES, stream_usage=True)
whole = None
for chunk in counting.stream("chunks=6"):
    whole = chunk if whole is None else whole + chunk
assert whole is not None
assert whole.text == "w0 w1 w2 w3 w4 w5"
assert whole.usage_metadata is not None
assert whole.usage_metadata["output_tokens"] > 0

# region: tools
with_tools = model.bind_tools([weather])
messages = [HumanMessage("How is the weather in Oslo?")]
messages.append(with_tools.invoke(messages))
messages += [weather.invoke(call) for call in messages[-1].tool_calls]
print(with_tools.invoke(messages).text)
# endregion
assert len(messages) == 3
assert with_tools.invoke(messages).text == f"The tool answered: {messages[-1].content}"
streamed = None
for chunk in with_tools.stream("How is the weather in Oslo?"):
    streamed = chunk if streamed is None else streamed + chunk
assert streamed is not None
assert [call["name"] for call in streamed.tool_calls] == ["weather"]

# region: structured
city = model.with_structured_output(City).invoke("A city?")
# endregion
assert isinstance(city, City)
assert isinstance(model.with_structured_output(City, method="function_calling").invoke("?"), City)

if RESPONSES:
    remembering = ChatOpenAI(
        model="scripted", use_responses_api=True, use_previous_response_id=True
    )
    first = remembering.invoke("echo: one")
    second = remembering.invoke([HumanMessage("echo: one"), first, HumanMessage("echo: two")])
    assert second.text == "two"
    assert second.response_metadata["id"] != first.response_metadata["id"]
