// All data of the server becomes text nodes and attributes, never markup: strangers write the titles of voices.

const POLL_INTERVAL_MS = 3000;
const MAX_SHOWN_REPLIES = 8; // until the user selects "Show all"
const WAV_HEADER_BYTES = 44;
const PLAYBACK_DELAY_S = 0.1; // before the first audio, so that the next chunk arrives in time

// All other outcomes are error codes.
const OUTCOMES = {
  spoken: "spoken",
  cached: "spoken from the cache",
  empty: "nothing to speak",
  fallback: "spoken by the fallback voice",
  "client-disconnected": "the client disconnected",
};

const $ = (id) => document.getElementById(id);

function element(name, attributes = {}, ...children) {
  const item = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) item.setAttribute(key, value);
  item.append(...children);
  return item;
}

function svgElement(name, attributes, ...children) {
  const item = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) item.setAttribute(key, value);
  item.append(...children);
  return item;
}

const seconds = (value) => `${value.toFixed(value < 10 ? 2 : 1)} s`;

// --- the server's state and its last replies

let all = false;
let shown = "";
let sampleRate = 44100; // hertz

async function refresh() {
  let state;
  try {
    const response = await fetch("api/state");
    if (!response.ok) throw new Error(await response.text());
    state = await response.json();
  } catch {
    setStatus("unreachable", false, "The server does not answer. Check that it runs.");
    return;
  }
  sampleRate = state.sample_rate_hz;
  const demo = state.demo ? "This is the demo: Fish Audio, its voices and the credit are emulated." : "";
  const message = [demo, state.message, state.warning].filter(Boolean).join(" ");
  setStatus(state.ready ? "ready" : "not ready", state.ready, message);
  const facts = {
    "API credit": state.credit_dollars === null ? "unknown" : `${state.credit_dollars} US dollars`,
    Model: state.backend,
    Sessions: `${state.sessions} of ${state.sessions_limit}${state.replies_waiting ? `, ${state.replies_waiting} replies wait` : ""}`,
    "Ready connections": state.connections_idle,
    Clients: state.clients,
    Version: state.version,
  };
  $("facts").replaceChildren(
    ...Object.entries(facts).map(([name, value]) =>
      element("div", {}, element("dt", {}, name), element("dd", {}, String(value))),
    ),
  );
  showReplies(state.replies);
  if (state.voices !== listed) await showVoices();
}

function setStatus(word, good, message) {
  // A screen reader reads the element aloud again if it changes.
  if ($("badge").textContent === word && $("message").textContent === message) return;
  $("badge").textContent = word;
  $("badge").className = `badge ${good ? "good" : "bad"}`;
  $("message").textContent = message;
}

function showReplies(replies) {
  const content = JSON.stringify([all, replies]);
  if (content === shown) return;
  shown = content;
  $("no-replies").hidden = replies.length > 0;
  $("more").hidden = all || replies.length <= MAX_SHOWN_REPLIES;
  const visible = all ? replies : replies.slice(0, MAX_SHOWN_REPLIES);
  // All timelines have the same scale. Longer replies are cut off at the right.
  const longest = Math.max(2, ...visible.map((reply) => reply.ended_s ?? 0));
  const scale = Math.min(longest, 10);
  $("replies").replaceChildren(...visible.map((reply) => row(reply, scale)));
}

function row(reply, scale) {
  const good = ["spoken", "cached", "fallback", "empty"].includes(reply.outcome);
  const outcome = OUTCOMES[reply.outcome] ?? `failed: ${reply.outcome}`;
  const details = [`${reply.characters} ${reply.characters === 1 ? "character" : "characters"}`];
  if (reply.audio_s) details.push(`${seconds(reply.audio_s)} of audio`);
  if (reply.retries.length) details.push(`retried after: ${reply.retries.join(", ")}`);
  if (reply.spoken_by) details.push(reply.spoken_by);
  return element(
    "li",
    {},
    element("span", { class: "times" }, new Date(reply.requested_at * 1000).toLocaleTimeString()),
    " · ",
    element("strong", { class: good ? "good" : "bad" }, outcome),
    " · ",
    element("span", { class: "times" }, firstAudio(reply)),
    timeline(reply, scale),
    element("span", { class: "faint" }, details.join(" · ")),
  );
}

function firstAudio(reply) {
  const { first_send_s: sent, first_audio_s: heard } = reply;
  if (heard === null) return "no audio";
  if (sent === null || reply.outcome === "fallback") return `first audio after ${seconds(heard)}`;
  return `first audio after ${seconds(heard)} (text ${seconds(sent)} + Fish ${seconds(heard - sent)})`;
}

function timeline(reply, scale) {
  const at = (time) => `${(100 * Math.min(Math.max(time, 0), scale)) / scale}%`;
  const bar = (kind, from, to, y, height) => {
    if (from === null || to === null || to < from) return [];
    const width = `${parseFloat(at(to)) - parseFloat(at(from))}%`;
    return [svgElement("rect", { class: kind, x: at(from), width, y, height })];
  };
  const { text_ended_s: written, first_send_s: sent, first_audio_s: heard, ended_s: ended } = reply;
  const marks = [];
  const step = scale > 5 ? 2 : scale > 2 ? 1 : 0.5;
  for (let time = 0; time < scale; time += step) {
    marks.push(svgElement("line", { x1: at(time), x2: at(time), y1: 0, y2: 28 }));
    marks.push(svgElement("text", { x: at(time), y: 27, dx: 2 }, `${time} s`));
  }
  return svgElement(
    "svg",
    { "aria-hidden": "true" }, // the text beside it has the same content
    ...marks,
    ...bar("text", 0, sent ?? ended, 2, 9),
    ...bar("fish", sent, heard ?? ended, 2, 9),
    ...bar("audio", heard, ended, 2, 9),
    ...bar("written", 0, written, 13, 3),
  );
}

// --- the voices

let listed = 0; // number of voices on the page

async function showVoices() {
  const response = await fetch("api/voices");
  if (!response.ok) return;
  const voices = await response.json();
  listed = voices.length;
  $("no-voices").hidden = voices.length > 0;
  const chosen = $("voice").value;
  $("voice").replaceChildren(
    $("voice").options[0],
    ...voices.map((voice) => element("option", { value: voice.id }, voice.title)),
  );
  $("voice").value = chosen;
  $("voices").replaceChildren(...voices.map(voiceRow));
}

function voiceRow(voice) {
  const name = element("span", { class: "name" }, element("strong", {}, voice.title));
  if (voice.languages.length) name.append(" ", element("span", { class: "faint" }, voice.languages.join(", ")));
  const item = element("li", {}, name);
  if (!/^https?:\/\//.test(voice.sample_url ?? "")) return item;
  const button = element("button", { type: "button", "aria-label": `Play a sample of ${voice.title}` }, "Sample");
  // The sample is on another server: fetch nothing from there until the user selects it.
  button.addEventListener("click", () => {
    const player = element("audio", { controls: "", src: voice.sample_url, "aria-label": `Sample of ${voice.title}` });
    player.addEventListener("error", () => player.replaceWith(element("span", { class: "bad" }, "Cannot play the sample.")));
    button.replaceWith(player);
    player.focus();
    player.play().catch(() => {});
  });
  item.append(button);
  return item;
}

// --- speech, played as it arrives

let cancel = null; // stops the speech

async function speak(event) {
  event.preventDefault();
  const began = performance.now();
  // With the sample rate of the audio, no chunk is resampled.
  const context = new AudioContext({ sampleRate });
  const request = new AbortController();
  const player = new Player(context);
  let answered = false;
  cancel = () => request.abort();
  setSpeaking(true);
  showMessage("Waiting for the first audio …");
  try {
    await context.resume();
    const response = await fetch("api/speak", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ text: $("text").value, voice: { name: $("voice").value || null } }),
      signal: request.signal,
    });
    if (!response.ok) throw new Error((await response.json()).error);
    answered = true;
    const reader = response.body.getReader();
    let first = null;
    for (let { value, done } = await reader.read(); !done; { value, done } = await reader.read()) {
      player.feed(value);
      if (first === null && player.length) {
        first = seconds((performance.now() - began) / 1000 + PLAYBACK_DELAY_S);
        showMessage(`Speaking. First audio after ${first}.`);
      }
    }
    await Promise.race([player.ended(), aborted(request.signal)]);
    showMessage(first === null ? "The text has nothing to speak." : `Spoken: ${seconds(player.length)} of audio, first audio after ${first}.`);
  } catch (error) {
    if (request.signal.aborted) showMessage("Stopped.");
    else if (answered) showMessage("The speech was interrupted. See the log of the server.", true);
    else showMessage(error instanceof TypeError ? "The server does not answer. Check that it runs." : error.message, true);
  } finally {
    player.close();
    setSpeaking(false);
    refresh();
  }
}

function aborted(signal) {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

function setSpeaking(speaking) {
  $("start").disabled = speaking;
  $("stop").disabled = !speaking;
}

function showMessage(text, bad = false) {
  $("said").textContent = text;
  $("said").className = bad ? "bad" : "";
}

// Plays a WAV of s16le mono PCM as it arrives: schedules each chunk after the previous one.
class Player {
  length = 0; // seconds of audio so far
  #bytes = new Uint8Array(0);
  #rate = 0;
  #next = 0;
  #last = null;
  #closed = false;

  constructor(context) {
    this.context = context;
    this.analyser = context.createAnalyser();
    this.analyser.connect(context.destination);
    this.#showLevel(new Float32Array(this.analyser.fftSize));
  }

  feed(bytes) {
    const joined = new Uint8Array(this.#bytes.length + bytes.length);
    joined.set(this.#bytes);
    joined.set(bytes, this.#bytes.length);
    this.#bytes = joined;
    if (!this.#rate) {
      if (joined.length < WAV_HEADER_BYTES) return;
      this.#rate = new DataView(joined.buffer).getUint32(24, true);
      this.#bytes = joined.slice(WAV_HEADER_BYTES);
    }
    const count = this.#bytes.length >> 1;
    if (!count) return;
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset);
    const buffer = this.context.createBuffer(1, count, this.#rate);
    const samples = buffer.getChannelData(0);
    for (let i = 0; i < count; i++) samples[i] = view.getInt16(2 * i, true) / 32768;
    this.#bytes = this.#bytes.slice(2 * count);
    this.#play(buffer);
  }

  #play(buffer) {
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.analyser);
    const now = this.context.currentTime;
    if (this.#next < now) this.#next = now + PLAYBACK_DELAY_S;
    source.start(this.#next);
    this.#next += buffer.duration;
    this.length += buffer.duration;
    this.#last = source;
  }

  // Resolves when all audio so far has been played.
  ended() {
    return new Promise((resolve) => {
      if (this.#last === null || this.#next <= this.context.currentTime) resolve();
      else this.#last.addEventListener("ended", resolve);
    });
  }

  #showLevel(samples) {
    if (this.#closed) return;
    this.analyser.getFloatTimeDomainData(samples);
    $("level").value = Math.min(1, samples.reduce((loudest, each) => Math.max(loudest, Math.abs(each)), 0));
    requestAnimationFrame(() => this.#showLevel(samples));
  }

  close() {
    this.#closed = true;
    $("level").value = 0;
    this.context.close();
  }
}

$("speak").addEventListener("submit", speak);
$("stop").addEventListener("click", () => cancel?.());
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("speak").requestSubmit();
});
$("more").addEventListener("click", () => {
  all = true;
  refresh();
});
document.addEventListener("visibilitychange", () => document.hidden || refresh());
setInterval(() => document.hidden || refresh(), POLL_INTERVAL_MS);
refresh();
