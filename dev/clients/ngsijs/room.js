// Plays an application that uses ngsijs: entities, attributes, queries, batches, types, subscriptions, registrations.
//
// usage: room.js BROKER LISTENER
// BROKER is http://host:port, LISTENER where notifications go. Whatever is not as it should be ends it with status 1.

const assert = require('node:assert');
const NGSI = require('ngsijs');

const [broker, listener] = process.argv.slice(2);
const context = new NGSI.Connection(broker).v2;

async function main() {
    const room = { id: 'Room1', type: 'Room', temperature: { value: 21.5, metadata: { unit: { value: 'CEL' } } } };
    await context.createEntity(room);
    await assert.rejects(context.createEntity(room), NGSI.AlreadyExistsError);
    await context.createEntity({ id: 'Room2', type: 'Room', temperature: 25 }, { keyValues: true });

    const shown = (await context.getEntity({ id: 'Room1', type: 'Room' })).entity;
    assert.equal(shown.temperature.value, 21.5);
    assert.equal(shown.temperature.metadata.unit.value, 'CEL');
    await assert.rejects(context.getEntity('Room9'), NGSI.NotFoundError);

    const warm = await context.listEntities({ type: 'Room', q: 'temperature>22', keyValues: true, count: true });
    assert.deepEqual(warm.results, [{ id: 'Room2', type: 'Room', temperature: 25 }]);
    assert.equal(warm.count, 1);

    const subscribed = await context.createSubscription({
        subject: { entities: [{ id: 'Room1', type: 'Room' }], condition: { attrs: ['temperature'] } },
        notification: { http: { url: listener }, attrs: ['temperature'] },
    });
    const subscription = subscribed.subscription.id;
    await context.updateEntityAttributes({ id: 'Room1', type: 'Room', temperature: { value: 22 } });
    await context.appendEntityAttributes({ id: 'Room1', type: 'Room', open: { value: true } });
    const again = { id: 'Room1', type: 'Room', open: { value: true } };
    await assert.rejects(context.appendEntityAttributes(again, { strict: true }));
    // ngsijs sends values as JSON, of which NGSIv2 takes objects and arrays only.
    await context.replaceEntityAttributeValue({ id: 'Room1', attribute: 'open', value: [false] });
    assert.deepEqual((await context.getEntityAttributeValue({ id: 'Room1', attribute: 'open' })).value, [false]);
    await context.deleteEntityAttribute({ id: 'Room1', attribute: 'open' });
    await assert.rejects(context.getEntityAttribute({ id: 'Room1', attribute: 'open' }), NGSI.NotFoundError);

    await context.batchUpdate({
        actionType: 'append',
        entities: [{ id: 'Room3', type: 'Room', temperature: { value: 19 } }, { id: 'Car1', type: 'Car' }],
    });
    const found = await context.batchQuery({
        entities: [{ idPattern: 'Room.*', type: 'Room' }],
        attrs: ['temperature'],
        expression: { q: 'temperature<23' },
    });
    assert.deepEqual(found.results.map((entity) => entity.id).sort(), ['Room1', 'Room3']);

    const types = (await context.listTypes()).results;
    assert.deepEqual(types.map((type) => [type.type, type.count]), [['Car', 1], ['Room', 3]]);
    assert.equal((await context.getType('Room')).type.count, 3);

    await context.updateSubscription({ id: subscription, status: 'inactive' });
    assert.equal((await context.getSubscription(subscription)).subscription.status, 'inactive');
    assert.equal((await context.listSubscriptions()).results.length, 1);
    await context.deleteSubscription(subscription);

    const registered = await context.createRegistration({
        dataProvided: { entities: [{ id: 'Far1', type: 'Far' }], attrs: ['distance'] },
        provider: { http: { url: 'http://127.0.0.1:1/v2' } },
    });
    assert.equal((await context.listRegistrations()).results.length, 1);
    await context.deleteRegistration(registered.registration.id);

    await context.deleteEntity('Room2');
    await assert.rejects(context.deleteEntity('Room2'), NGSI.NotFoundError);
    console.log('done');
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
