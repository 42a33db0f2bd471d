import {
    type ConnectorCustomizer,
    type Context,
    createConnectorCustomizer,
    logger,
    type StdAccountCreateInput,
    type StdAccountReadOutput,
} from '@sailpoint/connector-sdk'

// The service calls connectorCustomizer and runs its hooks before and after the connector's
// commands. The value that a hook returns replaces the command's input or output.
export const connectorCustomizer = async (): Promise<ConnectorCustomizer> =>
    createConnectorCustomizer()
        .beforeStdAccountCreate(lowerCaseEmail)
        .afterStdAccountRead(addDisplayName)

// lowerCaseEmail changes the email address of a new account to lower case.
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
