// An LwM2M server made of npm's lwm2m-node-lib: on every device that registers it reads, writes, executes, discovers and
// observes, and prints one JSON object per line.
//
//   node server.js PORT MODULES PAUSE_MS      the pause before each operation: a device can fall asleep in it
'use strict';

const [port, modules, pause_ms] = process.argv.slice(2);
const lwm2m = require(require.resolve('lwm2m-node-lib', { paths: [modules] })).server;

const tell = (event, members) => console.log(JSON.stringify({ event, ...members }));

const operations = [
    ['read', '/3/0/0'],
    ['write', '/3/0/15', 'Europe/Berlin'],
    ['read', '/3/0/15'],
    ['execute', '/3/0/4', '0'],
    ['discover', '/3/0'],
];

// Its functions take object, instance and resource as arguments, and a callback at the end.
const call = async (name, id, path, ...more) => {
    await new Promise((resolve) => setTimeout(resolve, Number(pause_ms)));
    await new Promise((resolve) => {
        const start = Date.now();
        lwm2m[name](id, ...path.split('/').slice(1), ...more, (error, value) => {
            const outcome = error ? { error: `${error.name}: ${error.message}` } : { value };
            tell(name, { path, ...outcome, ms: Date.now() - start });
            resolve();
        });
    });
};

async function work(id, ep) {
    for (const [name, path, ...more] of operations)
        await call(name, id, path, ...more);
    await call('observe', id, '/3/0/13', (value) => tell('notify', { ep, value }));
    tell('done', { ep });
}

const options = {
    port: Number(port),
    lifetimeCheckInterval: 1000,
    udpWindow: 100,
    defaultType: 'Device',
    types: [],
    logLevel: 'FATAL',
    ipProtocol: 'udp4',
    serverProtocol: 'udp4',
    formats: [{ name: 'application-vnd-oma-lwm2m/tlv', value: 11542 }],
    writeFormat: 'text/plain',
    defaultAcceptFormat: 'text/plain',
};

lwm2m.start(options, (error, server) => {
    if (error)
        throw error;
    lwm2m.setHandler(server, 'registration', (ep, lifetime, version, binding, payload, callback) => {
        tell('registered', { ep, lifetime, binding, payload });
        callback();
        lwm2m.getDevice(ep, (unknown, device) => work(device.id, ep)); // its answer goes out first
    });
    lwm2m.setHandler(server, 'updateRegistration', (device, payload, callback) => {
        tell('updated', { ep: device.name });
        callback();
    });
    lwm2m.setHandler(server, 'unregistration', (device, callback) => callback());
    tell('listening', { port });
});

process.on('SIGTERM', () => process.exit(0));
