import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { type Attributes, type Context, createConnector, SimpleKey, StandardCommand } from '@sailpoint/connector-sdk'
import { connectorCustomizer } from './index'

const context = {} as Context // the hooks don't use it

// connectorWith returns a connector whose accounts have the given attributes. Its create
// command returns the attributes of its input.
const connectorWith = (attributes: Attributes) =>
    createConnector()
        .stdAccountCreate(async (_, input, res) => res.send({ identity: '1', attributes: input.attributes }))
        .stdAccountRead(async (_, input, res) => res.send({ identity: input.identity, attributes }))

// run runs a connector's command with the customizer and returns the attributes that the
// connector sends.
async function run(attributes: Attributes, command: StandardCommand, input: object): Promise<Attributes> {
    const out = new PassThrough({ objectMode: true })
    await connectorWith(attributes)._exec(command, context, input, out, await connectorCustomizer())
    return out.read().data.attributes
}

const read = (attributes: Attributes) =>
    run(attributes, StandardCommand.StdAccountRead, { identity: '1', key: SimpleKey('1') })

const create = (attributes: Attributes) => run({}, StandardCommand.StdAccountCreate, { attributes })

test('a new account has its email address in lower case', async () => {
    assert.deepEqual(await create({ email: 'Ada@Example.com', lastName: 'Lovelace' }), {
        email: 'ada@example.com',
        lastName: 'Lovelace',
    })
})

test('a new account needs no email address', async () => {
    assert.deepEqual(await create({ lastName: 'Lovelace' }), { lastName: 'Lovelace' })
})

test('an account without a display name gets one', async () => {
    assert.equal((await read({ firstName: 'Ada', lastName: 'Lovelace' })).displayName, 'Ada Lovelace')
    assert.equal((await read({ lastName: 'Lovelace' })).displayName, 'Lovelace')
})

test('an account keeps its display name', async () => {
    assert.equal((await read({ displayName: 'Countess', lastName: 'Lovelace' })).displayName, 'Countess')
})

test('an account without names gets no display name', async () => {
    assert.deepEqual(await read({ email: 'ada@example.com' }), { email: 'ada@example.com' })
})
