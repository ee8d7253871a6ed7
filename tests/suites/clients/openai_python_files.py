"""The official Python SDK on files: an image is uploaded and shown to the model."""

import base64

import openai

# region: import
from openai import OpenAI

# endregion

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)

# region: files
client = OpenAI()
file = client.files.create(file=("dot.png", PNG, "image/png"), purpose="vision")
response = client.responses.create(
    model="scripted",
    input=[
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "echo: I see it"},
                {"type": "input_image", "file_id": file.id, "detail": "auto"},
            ],
        }
    ],
)
print(response.output_text)
# endregion
assert response.output_text.startswith("I see it"), response.output_text
assert file.bytes == len(PNG)
assert client.files.retrieve(file.id).filename == "dot.png"
assert file.id in [one.id for one in client.files.list()]
assert client.files.content(file.id).read() == PNG
assert client.files.delete(file.id).deleted
try:
    client.files.retrieve(file.id)
except openai.NotFoundError:
    pass
else:
    raise AssertionError("a deleted file was found")
