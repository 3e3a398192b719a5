from geo_urc.inputs.roles import Field, Role, roles  # noqa
