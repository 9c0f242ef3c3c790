// What comes from the server becomes text nodes and attributes, never markup: the titles of voices are
// written by strangers.

const POLL = 3000; // milliseconds between two looks at the server
const SHOWN = 8; // replies, until all are asked for
const HEADER = 44; // bytes of a WAV before its samples
const AHEAD = 0.1; // seconds that the first sound waits, so that the second is there in time

// All others are codes of errors.
const OUTCOMES = {
  spoken: "spoken",
  cached: "played again",
  fallback: "spoken by the fallback voice",
  left: "the client left",
};

const $ = (id) => document.getElementById(id);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function drawn(name, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const seconds = (value) => `${value.toFixed(value < 10 ? 2 : 1)} s`;

// --- the server's state and its last replies

let all = false;
let shown = "";
let sampleRate = 44100; // hertz

async function look() {
  let state;
  try {
    const response = await fetch("api/state");
    if (!response.ok) throw new Error(await response.text());
    state = await response.json();
  } catch {
    tell("unreachable", false, "The server does not answer.");
    return;
  }
  sampleRate = state.sample_rate;
  tell(state.ready ? "well" : "not well", state.ready, state.says);
  const facts = {
    "API credit": state.credit === null ? "unknown" : `${state.credit} US dollars`,
    Backend: state.backend,
    Sessions: `${state.sessions} of ${state.limit}${state.waiting ? `, ${state.waiting} wait` : ""}`,
    "Warm sockets": state.idle_sockets,
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

function tell(word, good, says) {
  // Unchanged, it is not read out again.
  if ($("badge").textContent === word && $("says").textContent === says) return;
  $("badge").textContent = word;
  $("badge").className = `badge ${good ? "good" : "bad"}`;
  $("says").textContent = says;
}

function showReplies(replies) {
  const news = JSON.stringify([all, replies]);
  if (news === shown) return;
  shown = news;
  $("no-replies").hidden = replies.length > 0;
  $("more").hidden = all || replies.length <= SHOWN;
  const visible = all ? replies : replies.slice(0, SHOWN);
  // One scale for all, so that they can be compared; what is longer runs off at the right.
  const longest = Math.max(2, ...visible.map((reply) => reply.ended ?? 0));
  const scale = Math.min(longest, 10);
  $("replies").replaceChildren(...visible.map((reply) => row(reply, scale)));
}

function row(reply, scale) {
  const good = ["spoken", "cached", "fallback"].includes(reply.outcome);
  const outcome = OUTCOMES[reply.outcome] ?? `failed: ${reply.outcome}`;
  const details = [`${reply.characters} characters`];
  if (reply.audio) details.push(`${seconds(reply.audio)} of audio`);
  if (reply.retries.length) details.push(`tried again after: ${reply.retries.join(", ")}`);
  if (reply.spoken_by) details.push(reply.spoken_by);
  return element(
    "li",
    {},
    element("span", { class: "times" }, new Date(reply.at * 1000).toLocaleTimeString()),
    " · ",
    element("strong", { class: good ? "good" : "bad" }, outcome),
    " · ",
    element("span", { class: "times" }, firstAudio(reply)),
    timeline(reply, scale),
    element("span", { class: "faint" }, details.join(" · ")),
  );
}

function firstAudio(reply) {
  if (reply.heard === null) return "nothing heard";
  if (reply.sent === null || reply.outcome === "fallback") return `heard after ${seconds(reply.heard)}`;
  const parts = `text ${seconds(reply.sent)} + Fish ${seconds(reply.heard - reply.sent)}`;
  return `heard after ${seconds(reply.heard)} (${parts})`;
}

function timeline(reply, scale) {
  const at = (time) => `${(100 * Math.min(Math.max(time, 0), scale)) / scale}%`;
  const bar = (kind, from, to, y, height) => {
    if (from === null || to === null || to < from) return [];
    const width = `${parseFloat(at(to)) - parseFloat(at(from))}%`;
    return [drawn("rect", { class: kind, x: at(from), width, y, height })];
  };
  const { text_ended: written, sent, heard, ended } = reply;
  const marks = [];
  const step = scale > 5 ? 2 : scale > 2 ? 1 : 0.5;
  for (let time = 0; time < scale; time += step) {
    marks.push(drawn("line", { x1: at(time), x2: at(time), y1: 0, y2: 28 }));
    marks.push(drawn("text", { x: at(time), y: 27, dx: 2 }, `${time} s`));
  }
  return drawn(
    "svg",
    { "aria-hidden": "true" }, // the words beside it say the same
    ...marks,
    ...bar("text", 0, sent ?? ended, 2, 9),
    ...bar("fish", sent, heard ?? ended, 2, 9),
    ...bar("audio", heard, ended, 2, 9),
    ...bar("written", 0, written, 13, 3),
  );
}

// --- the voices

let listed = 0; // how many are shown

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
  const made = element("li", {}, name);
  if (!/^https?:\/\//.test(voice.sample ?? "")) return made;
  const button = element("button", { type: "button", "aria-label": `Hear a sample of ${voice.title}` }, "Sample");
  // Its address is another server's: nothing is fetched from there until somebody asks for it.
  button.addEventListener("click", () => {
    const player = element("audio", { controls: "", src: voice.sample, "aria-label": `Sample of ${voice.title}` });
    player.addEventListener("error", () => player.replaceWith(element("span", { class: "bad" }, "It cannot be played.")));
    button.replaceWith(player);
    player.focus();
    player.play().catch(() => {});
  });
  made.append(button);
  return made;
}

// --- speaking, heard while it comes

let leave = null; // stops what is being said

async function speak(event) {
  event.preventDefault();
  const began = performance.now();
  // In the rate of the samples, so that no two pieces are resampled apart.
  const context = new AudioContext({ sampleRate });
  const request = new AbortController();
  const player = new Player(context);
  let answered = false;
  leave = () => request.abort();
  busy(true);
  say("Waiting for the first sound …");
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
        first = seconds((performance.now() - began) / 1000 + AHEAD);
        say(`Speaking; the first sound came after ${first}.`);
      }
    }
    await Promise.race([player.ended(), aborted(request.signal)]);
    say(first === null ? "There was nothing to say." : `Spoken: ${seconds(player.length)}, heard after ${first}.`);
  } catch (error) {
    if (request.signal.aborted) say("Stopped.");
    else if (answered) say("The speech broke off.", true);
    else say(error instanceof TypeError ? "The server does not answer." : error.message, true);
  } finally {
    player.close();
    busy(false);
    look();
  }
}

function aborted(signal) {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

function busy(speaking) {
  $("start").disabled = speaking;
  $("stop").disabled = !speaking;
}

function say(text, bad = false) {
  $("said").textContent = text;
  $("said").className = bad ? "bad" : "";
}

// Plays a WAV of s16le mono PCM as it comes: each piece is put on the audio clock behind the last.
class Player {
  length = 0; // seconds that have come
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
      if (joined.length < HEADER) return;
      this.#rate = new DataView(joined.buffer).getUint32(24, true);
      this.#bytes = joined.slice(HEADER);
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
    if (this.#next < now) this.#next = now + AHEAD;
    source.start(this.#next);
    this.#next += buffer.duration;
    this.length += buffer.duration;
    this.#last = source;
  }

  // When what has come so far has been heard.
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
$("stop").addEventListener("click", () => leave?.());
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("speak").requestSubmit();
});
$("more").addEventListener("click", () => {
  all = true;
  look();
});
document.addEventListener("visibilitychange", () => document.hidden || look());
setInterval(() => document.hidden || look(), POLL);
look();
