"""Everything that predicts: graphs, hosts, heads, domain, intervals, bundles, and `KappaModel`."""
