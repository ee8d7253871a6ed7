// The official JavaScript SDK over one WebSocket.
import assert from 'node:assert/strict';
// region: import
import OpenAI from 'openai';
import { ResponsesWS } from 'openai/resources/responses/ws';
// endregion

// region: socket
const client = new OpenAI();
const socket = new ResponsesWS(client);
socket.on('error', (error) => console.error(error.message));

/** Ask for one response, and wait for its end. */
function ask(request) {
  return new Promise((resolve) => {
    let text = '';
    const delta = (event) => {
      text += event.delta;
    };
    const completed = ({ response }) => {
      socket.off('response.output_text.delta', delta);
      socket.off('response.completed', completed);
      resolve({ id: response.id, text });
    };
    socket.on('response.output_text.delta', delta);
    socket.on('response.completed', completed);
    socket.send({ type: 'response.create', model: 'scripted', store: false, ...request });
  });
}

const first = await ask({ input: 'chunks=6 rate=100' });
const second = await ask({ input: 'echo: and on', previous_response_id: first.id });
console.log(first.text, second.text);
// endregion
assert.equal(first.text, 'w0 w1 w2 w3 w4 w5');
assert.equal(second.text, 'and on');
socket.close();
