// An IoT agent on iotagent-node-lib with one device, a lamp: it provisions it, sends measures, and takes the command
// "switch", whose result it gives back.
//
// usage: agent.js BROKER_HOST BROKER_PORT
// Prints "ready" when the lamp is provisioned and its first measure is sent, and runs until it is killed.

const net = require('node:net');
const { promisify } = require('node:util');
const agent = require('iotagent-node-lib');

const [host, port] = process.argv.slice(2);

/** A port that is free now: the library wants to know it before it listens. */
function freePort() {
    return new Promise((resolve, reject) => {
        const server = net.createServer();
        server.on('error', reject);
        server.listen(0, '127.0.0.1', () => {
            const { port } = server.address();
            server.close(() => resolve(port));
        });
    });
}

async function main() {
    const northbound = await freePort();
    await promisify(agent.activate)({
        logLevel: process.env.AGENT_LOG || 'FATAL',
        contextBroker: { host, port, ngsiVersion: 'v2' },
        server: { port: northbound, host: '127.0.0.1' },
        providerUrl: `http://127.0.0.1:${northbound}`,
        deviceRegistry: { type: 'memory' },
        service: 'smart',
        subservice: '/lamps',
        types: {},
    });
    // Provisioned as an administrator does it, over the agent's own API.
    const headers = { 'content-type': 'application/json', 'fiware-service': 'smart', 'fiware-servicepath': '/lamps' };
    const devices = [
        {
            device_id: 'lamp1',
            entity_name: 'Lamp:lamp1',
            entity_type: 'Lamp',
            attributes: [{ object_id: 'b', name: 'brightness', type: 'Number' }],
            commands: [{ name: 'switch', type: 'command' }],
            static_attributes: [{ name: 'maker', type: 'Text', value: 'Morgana' }],
        },
    ];
    const url = `http://127.0.0.1:${northbound}/iot/devices`;
    const provisioned = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ devices }) });
    if (provisioned.status !== 201) {
        throw new Error(`the lamp was not provisioned: ${provisioned.status} ${await provisioned.text()}`);
    }
    const update = promisify(agent.update);
    const lamp = await promisify(agent.getDevice)('lamp1', undefined, 'smart', '/lamps');
    const measure = (value) => update(lamp.name, 'Lamp', '', [{ name: 'b', type: 'Number', value }], lamp);

    agent.setCommandHandler((id, type, service, subservice, attributes, callback) => {
        const value = attributes[0].value;
        // The answer is that the command was taken; what became of it follows.
        callback(null, { id, type, attributes: [{ name: 'switch', type: 'command', value: '' }] });
        measure(value === 'on' ? 100 : 0)
            .then(() => promisify(agent.setCommandResult)(id, '', '', 'switch', `it is ${value}`, 'OK', lamp))
            .catch(fail);
    });
    await measure(50);
    console.log('ready');
}

function fail(error) {
    console.error(error);
    process.exit(1);
}

main().catch(fail);
