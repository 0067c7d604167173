// A TLS server on loopback that answers 200 to any request; started by scripts/servers.
// arguments: PORT PKI required|optional|off 1.2|1.3|both CRL(on|off)
"use strict";
const constants = require("constants");
const fs = require("fs");
const https = require("https");
const path = require("path");

const [port, pki, clientAuth, tls, crl] = process.argv.slice(2);
const read = (name) => fs.readFileSync(path.join(pki, name));

// Of a file with several lists Node reads the first alone.
const lists = () => read("crl.pem").toString().match(/-----BEGIN X509 CRL-----[^]+?-----END X509 CRL-----/g);

const options = {
  cert: read("server.pem"),
  key: read("server.key"),
  ca: read("ca.pem"),
  crl: crl === "on" ? lists() : undefined,
  requestCert: clientAuth !== "off",
  rejectUnauthorized: clientAuth === "required",
  minVersion: tls === "1.3" ? "TLSv1.3" : "TLSv1.2",
  maxVersion: tls === "1.2" ? "TLSv1.2" : "TLSv1.3",
  ecdhCurve: "X25519:P-256:P-384",
  // Neither tickets nor, without an id, anything kept to be found again.
  secureOptions: constants.SSL_OP_NO_TICKET,
};

const server = https.createServer(options, (request, response) => {
  const socket = request.socket;
  const shown = socket.getPeerCertificate().subject !== undefined;
  // With `optional` OpenSSL's verdict is only looked at here: refuse what was shown and is wrong.
  const status = clientAuth === "optional" && shown && !socket.authorized ? 403 : 200;
  const verdict = socket.authorized ? "SUCCESS" : shown ? `FAILED:${socket.authorizationError}` : "NONE";
  const reused = socket.isSessionReused();
  console.log(
    `${status} ${socket.getProtocol()} ${socket.getCipher().name} - ${verdict} reused=${reused} - uri=${request.url}`,
  );
  response.writeHead(status, { "content-type": "text/plain", "content-length": 3 });
  response.end("ok\n");
});
server.on("tlsClientError", (error) => console.error(`${error.code}: ${error.message}`));
server.maxRequestsPerSocket = 0;
server.listen({ port: Number(port), host: "127.0.0.1", backlog: 4096 });
