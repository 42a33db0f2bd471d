# Cuts the operations on connector customizers out of SailPoint's specification of a year,
# with the components that they refer to. Without examples, so that a mock makes up values.
. as $spec
| def refs: [.. | objects | .["$ref"] | strings | ltrimstr("#/") / "/"];
  {openapi, info, security, paths: (.paths | with_entries(select(.key | startswith("/connector-customizers"))))}
| .components.securitySchemes = $spec.components.securitySchemes
| until(. as $cut | all(refs[]; . as $path | $cut | getpath($path));
        reduce refs[] as $path (.; setpath($path; $spec | getpath($path))))
| del(.. | objects | .example, .examples)
