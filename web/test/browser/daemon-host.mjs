// Owns the daemon as the host of the browser tests: the settings with which it serves the page itself (`[web]`), and a road
// to it that can be cut. The road passes bytes on as they are, so TLS is between the browser and the daemon. Used by
// `stage.mjs` (HOST=daemon).

import { connect, createServer } from "node:net";

/** The settings for a page that browsers reach at https://localhost:ROAD, served on this port. */
const settings = (port, road) => `
[web]
address = "127.0.0.1:${port}"
certificate = "certs/server.pem"
key = "certs/server.key"
names = ["localhost:${road}"]
`;

/**
 * Opens the road to the page that the daemon will serve on `port`. `cut()` breaks all connections; while `refuses` says
 * so, new ones are closed at once.
 */
export async function daemonHost({ port, refuses }) {
  const travellers = new Set();
  const road = createServer((near) => {
    if (refuses()) return near.destroy();
    const far = connect(port, "127.0.0.1");
    const both = [near, far];
    travellers.add(both);
    const end = () => { travellers.delete(both); near.destroy(); far.destroy(); };
    for (const socket of both) socket.on("error", end).on("close", end);
    near.pipe(far).pipe(near);
  });
  await new Promise((ready) => road.listen(0, "127.0.0.1", ready));
  const cut = () => { for (const both of travellers) for (const socket of both) socket.destroy(); };
  const stop = () => new Promise((done) => { road.close(done); cut(); });
  return { port: road.address().port, settings: settings(port, road.address().port), cut, stop };
}
