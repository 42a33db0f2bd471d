import {
    type ConnectorCustomizer,
    type Context,
    createConnectorCustomizer,
    logger,
    type StdAccountCreateInput,
    type StdAccountReadOutput,
} from '@sailpoint/connector-sdk'

// The service calls connectorCustomizer, and runs the hooks around the commands of the
// connector. A hook returns the input or output that takes the place of the one it was given.
export const connectorCustomizer = async (): Promise<ConnectorCustomizer> =>
    createConnectorCustomizer()
        .beforeStdAccountCreate(lowerCaseEmail)
        .afterStdAccountRead(addDisplayName)

// lowerCaseEmail writes the email address of a new account in lower case.
async function lowerCaseEmail(_: Context, input: StdAccountCreateInput): Promise<StdAccountCreateInput> {
    const { email } = input.attributes
    if (typeof email !== 'string') {
        return input
    }
    logger.info('lower-casing the email address')
    return { ...input, attributes: { ...input.attributes, email: email.toLowerCase() } }
}

// addDisplayName adds a display name to an account that has none.
async function addDisplayName(_: Context, output: StdAccountReadOutput): Promise<StdAccountReadOutput> {
    const { displayName, firstName, lastName } = output.attributes
    const names = [firstName, lastName].filter(Boolean)
    if (displayName || names.length === 0) {
        return output
    }
    return { ...output, attributes: { ...output.attributes, displayName: names.join(' ') } }
}
