"""The official Python SDK over one WebSocket: responses follow each other without a new request."""

# region: import
from openai import OpenAI

# endregion

# region: socket
client = OpenAI()
with client.responses.connect() as connection:
    connection.response.create(model="scripted", input="chunks=6 rate=100", store=False)
    text, response_id = "", ""
    for event in connection:
        if event.type == "response.output_text.delta":
            text += event.delta
        if event.type == "response.completed":
            response_id = event.response.id
            break

    connection.response.create(
        model="scripted", input="echo: and on", previous_response_id=response_id, store=False
    )
    for event in connection:
        if event.type == "response.completed":
            print(event.response.output_text)
            break
    # endregion
    assert text == "w0 w1 w2 w3 w4 w5", text
    assert event.response.output_text == "and on"

    connection.response.create(model="scripted", input="hi", previous_response_id="resp_none")
    refused = next(iter(connection))
    assert refused.type == "error", refused
    connection.response.create(model="scripted", input="echo: still here")
    for event in connection:
        if event.type == "response.completed":
            break
    assert event.response.output_text == "still here"
