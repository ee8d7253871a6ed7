#!/bin/sh
# Simon Willison's `llm`; LLM_USER_PATH is a folder of its own, so that nothing of yours is touched.
set -eu

# region: configure
cat > "$LLM_USER_PATH/extra-openai-models.yaml" <<EOF
- model_id: tertulia
  model_name: scripted
  api_base: $OPENAI_BASE_URL
  api_key_name: tertulia
  supports_schema: true
  supports_tools: true
EOF
llm keys set tertulia --value "$OPENAI_API_KEY"
# endregion

{
  # region: ask
  llm -m tertulia "Good morning!"
  llm -c "echo: and on"
  # endregion
  llm -m tertulia --no-stream 'chunks=6'
} > said
printf 'Scripted answer to: Good morning!\nand on\nw0 w1 w2 w3 w4 w5\n' | diff - said

llm -m tertulia --schema 'name, inhabitants int' 'A city?' | grep -q '"inhabitants"'
llm -m tertulia -T llm_version 'Which version?' | grep -q '^The tool answered: '
llm logs -n 1 --json | grep -q '"output_tokens": [1-9]'
