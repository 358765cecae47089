"""Everything that answers: graphs, hosts, heads, domain, intervals, bundles, and `KappaModel`."""
