// The official JavaScript SDK, as its users call it: address and key in, what it heard out as JSON.

import { FishAudioClient, RealtimeEvents } from "fish-audio";

const [baseUrl, voice, refused] = process.argv.slice(2);
const client = new FishAudioClient({ apiKey: "key", baseUrl });

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function realtime(request, texts, backend) {
  return new Promise(async (resolve, reject) => {
    const connection = await client.textToSpeech.convertRealtime(request, texts, backend);
    const chunks = [];
    connection.on(RealtimeEvents.AUDIO_CHUNK, (chunk) => chunks.push(chunk));
    connection.on(RealtimeEvents.ERROR, reject);
    connection.on(RealtimeEvents.CLOSE, () => {
      connection.close();
      resolve(Buffer.concat(chunks));
    });
  });
}

async function* words() {
  for (const word of ["Hello ", "from ", "JavaScript. ", "Good ", "bye."]) yield word;
}

async function status(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return { status: error.statusCode, body: error.body };
  }
}

const credit = await client.user.get_api_credit();
const plan = await client.user.get_package();
const voices = await client.voices.search({ self: true, page_size: 2 });
const found = await client.voices.get(voice);
const wav = await collect(
  await client.textToSpeech.convert(
    { text: "Hello from REST.", format: "wav", reference_id: voice },
    "s2.1-pro",
  ),
);
const mp3 = await collect(await client.textToSpeech.convert({ text: "Hello from REST." }));
const pcm = await realtime({ text: "", format: "pcm", reference_id: voice }, words(), "s2.1-pro");
const stranger = new FishAudioClient({ apiKey: refused, baseUrl });

console.log(
  JSON.stringify({
    credit,
    plan,
    total: voices.total,
    titles: voices.items.map((item) => item.title),
    found,
    wav: wav.toString("base64"),
    mp3: mp3.toString("base64"),
    pcm: pcm.toString("base64"),
    unknownVoice: await status(client.voices.get("0".repeat(32))),
    refused: await status(stranger.user.get_api_credit()),
    realtimeRefused: await realtime({ text: "", format: "flac" }, words(), "s1").then(
      (audio) => audio.length,
      (error) => String(error),
    ),
  }),
);
