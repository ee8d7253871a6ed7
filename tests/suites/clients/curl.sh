#!/bin/sh
# curl, which is the API itself.
set -eu

# region: answer
curl -fsS "$OPENAI_BASE_URL/responses" \
  -H "Authorization: Bearer $OPENAI_API_KEY" -H "Content-Type: application/json" \
  -d '{"model": "scripted", "input": "Good morning!"}'
# endregion
echo

# region: stream
curl -fsSN "$OPENAI_BASE_URL/chat/completions" \
  -H "Authorization: Bearer $OPENAI_API_KEY" -H "Content-Type: application/json" \
  -d '{"model": "scripted", "stream": true,
       "messages": [{"role": "user", "content": "chunks=6 rate=100"}]}'
# endregion

ask() {
  curl -fsS "$OPENAI_BASE_URL/$1" \
    -H "Authorization: Bearer $OPENAI_API_KEY" -H "Content-Type: application/json" -d "$2"
}

ask responses '{"model": "scripted", "input": "Good morning!"}' | grep -q 'Scripted answer to: Good'
ask responses '{"model": "scripted", "input": "chunks=3", "stream": true}' | grep -q '"w0 w1 w2"'
ask chat/completions '{"model": "scripted", "messages": [{"role": "user", "content": "chunks=3"}]}' |
  grep -q '"w0 w1 w2"'
ask embeddings '{"model": "scripted", "input": "a cat"}' | grep -q '"embedding"'
