"""LangChain's `OpenAIEmbeddings`."""

# region: import
from langchain_openai import OpenAIEmbeddings

# endregion

# region: embeddings
embeddings = OpenAIEmbeddings(model="scripted", check_embedding_ctx_length=False)
vectors = embeddings.embed_documents(["a cat", "a dog"])
# endregion
assert len(vectors) == 2
assert len(vectors[0]) > 0
again = embeddings.embed_query("a cat")
assert all(abs(a - b) < 1e-6 for a, b in zip(vectors[0], again, strict=True))
