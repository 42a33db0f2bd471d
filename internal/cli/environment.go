package cli

// environmentHelp lists the variables and files that the commands on a tenant use. The
// indentation makes it a block of code in the Markdown pages and the man pages.
const environmentHelp = `Environment:

    SAIL_BASE_URL           URL of the tenant's API
    SAIL_CLIENT_ID,         client ID and secret, such as those of a personal access
    SAIL_CLIENT_SECRET      token
    SAIL_ACCESS_TOKEN       access token, instead of a client ID and secret; can't be
                            renewed
    SAIL_ACTIVEENVIRONMENT  environment of ~/.sailpoint/config.yaml to use, unless a
                            variable above is set
    SAIL_AUTHTYPE           overrides authtype of ~/.sailpoint/config.yaml; must be pat
    HTTPS_PROXY, NO_PROXY   proxy to use, and hosts to reach without it
    SSL_CERT_FILE,          file and folders with trusted certificates; ignored on
    SSL_CERT_DIR            Windows and macOS
    NO_COLOR                no colors, if not empty
    TERM                    no colors and no progress, if dumb

Files:

    ./config.json               tenant and credentials, as BaseURL, ClientId and
                                ClientSecret
    ~/.sailpoint/config.yaml    tenants and credentials of SailPoint's CLI, which keeps
                                secrets in the system's keyring, under the environment's
                                name in lower case
    customizers/deployed.jsonl  record of deploy, in $XDG_CACHE_HOME or ~/.cache on
                                Linux, ~/Library/Caches on macOS and %LocalAppData% on
                                Windows, unless --record names another file`
