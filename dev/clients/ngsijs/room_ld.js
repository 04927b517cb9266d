// Plays an application that uses the NGSI-LD calls of ngsijs: entities, attributes, queries, types, subscriptions, tenants
// and temporal evolution.
//
// usage: room_ld.js BROKER LISTENER
// BROKER is http://host:port of a broker that keeps the past, LISTENER where notifications go. Whatever is not as it
// should be ends it with status 1.

const assert = require('node:assert');
const NGSI = require('ngsijs');

const [broker, listener] = process.argv.slice(2);
const context = new NGSI.Connection(broker).ld;
const core = 'https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld';
const id = 'urn:ngsi-ld:Room:1';

// ngsijs knows problems as application/json, which it gets where it asks for that; where it says nothing of the form, it
// gets application/problem+json (RFC 9457), and tells that it does not know it.
async function refused(call, kind) {
    await assert.rejects(call, (error) => error instanceof kind || error instanceof NGSI.InvalidResponseError);
}

async function entities() {
    const temperature = { type: 'Property', value: 21.5, unitCode: 'CEL', observedAt: '2026-01-01T00:00:00Z' };
    const location = { type: 'GeoProperty', value: { type: 'Point', coordinates: [8.5, 44.5] } };
    const room = { id, type: 'Room', temperature, location, '@context': core };
    const created = await context.createEntity(room);
    assert.equal(created.location, '/ngsi-ld/v1/entities/' + id);
    await assert.rejects(context.createEntity(room), NGSI.AlreadyExistsError);
    await refused(context.createEntity({ id: 'no uri', type: 'Room' }), NGSI.BadRequestError);
    const isPartOf = { type: 'Relationship', object: 'urn:ngsi-ld:House:1' };
    const second = { id: 'urn:ngsi-ld:Room:2', type: 'Room', temperature: { type: 'Property', value: 25 }, isPartOf };
    await context.createEntity(second);

    const shown = (await context.getEntity({ id, sysAttrs: true })).entity;
    assert.deepEqual(shown.temperature.value, 21.5);
    assert.equal(shown.temperature.unitCode, 'CEL');
    assert.deepEqual(shown.location.value.coordinates, [8.5, 44.5]);
    const simple = (await context.getEntity({ id: second.id, keyValues: true, '@context': core })).entity;
    assert.deepEqual([simple.temperature, simple.isPartOf], [25, 'urn:ngsi-ld:House:1']);
    await refused(context.getEntity('urn:ngsi-ld:Room:9'), NGSI.NotFoundError);
}

async function queries() {
    const warm = await context.queryEntities({ type: 'Room', q: 'temperature>22', keyValues: true, count: true });
    assert.deepEqual(warm.results.map((entity) => entity.id), ['urn:ngsi-ld:Room:2']);
    assert.equal(warm.count, 1);
    const paged = await context.queryEntities({ type: 'Room', limit: 1, offset: 1, count: true });
    assert.deepEqual([paged.results.length, paged.count], [1, 2]);
    const near = { georel: 'near;maxDistance==2000', geometry: 'Point', coordinates: '[8.5,44.51]' };
    const found = await context.queryEntities({ type: 'Room', ...near });
    assert.deepEqual(found.results.map((entity) => entity.id), [id]);
    // ngsijs makes this one a query for all ids, without a type.
    assert.equal((await context.queryEntities()).results.length, 2);
    await refused(context.queryEntities({ type: 'Room', q: 'temperature>>' }), NGSI.BadRequestError);
    const types = (await context.listTypes()).results;
    assert.deepEqual(types.typeList, ['Room']);
    const type = (await context.getType('Room')).type;
    assert.deepEqual([type.typeName, type.entityCount], ['Room', 2]);
}

async function subscriptions() {
    const subscribed = await context.createSubscription({
        type: 'Subscription',
        entities: [{ id, type: 'Room' }],
        watchedAttributes: ['temperature'],
        notification: { attributes: ['temperature'], endpoint: { uri: listener, accept: 'application/json' } },
    });
    const subscription = subscribed.subscription.id;
    const change = { temperature: { type: 'Property', value: 22, observedAt: '2026-01-01T01:00:00Z' } };
    assert.deepEqual((await context.updateEntityAttributes(change, { id })).updated, ['temperature']);
    await context.updateSubscription({ id: subscription, isActive: false });
    await context.updateEntityAttribute({ value: 23, observedAt: '2026-01-01T02:00:00Z' }, { id, attribute: 'temperature' });
    assert.equal((await context.getSubscription(subscription)).subscription.isActive, false);
    assert.equal((await context.listSubscriptions()).results.length, 1);
    await context.deleteSubscription(subscription);
    await refused(context.getSubscription(subscription), NGSI.NotFoundError);
}

async function attributes() {
    await context.appendEntityAttributes({ id, open: { type: 'Property', value: true } });
    const kept = await context.appendEntityAttributes({ id, open: { type: 'Property', value: false } }, { noOverwrite: true });
    // NGSI-LD 5.2.18: what an update did not change is named by its whole IRI.
    assert.equal(kept.notUpdated[0].attributeName, 'https://uri.etsi.org/ngsi-ld/default-context/open');
    assert.equal((await context.getEntity({ id, keyValues: true })).entity.open, true);
    await context.deleteEntityAttribute({ id, attribute: 'open' });
    await refused(context.deleteEntityAttribute({ id, attribute: 'open' }), NGSI.NotFoundError);
}

async function temporal() {
    const query = { type: 'Room', id, attrs: 'temperature', timerel: 'after', timeAt: '2025-12-31T00:00:00Z' };
    const past = (await context.queryTemporalEntities(query)).results;
    assert.deepEqual(past[0].temperature.map((instance) => instance.value).sort(), [21.5, 22, 23]);
    const history = { id: 'urn:ngsi-ld:Room:3', type: 'Room', temperature: [{ type: 'Property', value: 18, observedAt: '2026-01-01T00:00:00Z' }] };
    assert.equal((await context.createTemporalEntity(history)).created, true);
    await context.addTemporalEntityAttributes({
        id: 'urn:ngsi-ld:Room:3',
        temperature: [{ type: 'Property', value: 19, observedAt: '2026-01-01T01:00:00Z' }],
    });
    const both = (await context.queryTemporalEntities({ ...query, id: 'urn:ngsi-ld:Room:3', temporalValues: true })).results;
    assert.deepEqual(both[0].temperature.values.map((pair) => pair[0]).sort(), [18, 19]);
    await context.deleteTemporalEntityAttribute({ id: 'urn:ngsi-ld:Room:3', attribute: 'temperature', deleteAll: true });
    await context.deleteTemporalEntity('urn:ngsi-ld:Room:3');
    await refused(context.deleteTemporalEntity('urn:ngsi-ld:Room:3'), NGSI.NotFoundError);
}

async function tenants() {
    const tenant = 'ngsijs';
    await context.createEntity({ id, type: 'Room', name: { type: 'Property', value: 'other' } }, { tenant });
    const shown = (await context.getEntity({ id, keyValues: true, tenant })).entity;
    assert.deepEqual([shown.name, shown.temperature], ['other', undefined]);
    assert.equal((await context.queryEntities({ type: 'Room', tenant })).results.length, 1);
    await context.deleteEntity({ id, tenant });
    assert.equal((await context.getEntity({ id, keyValues: true })).entity.temperature, 23);
}

async function main() {
    for (const part of [entities, queries, subscriptions, attributes, temporal, tenants]) {
        await part();
    }
    await context.deleteEntity('urn:ngsi-ld:Room:2');
    await refused(context.deleteEntity('urn:ngsi-ld:Room:2'), NGSI.NotFoundError);
    console.log('done');
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
