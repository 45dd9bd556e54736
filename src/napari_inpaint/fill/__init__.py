"""From arrays with holes to filled arrays."""
