"""Who can fill: the contract, the registry, and the backends that come along."""
