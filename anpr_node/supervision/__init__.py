"""Whether the node still sees and times what it should: checks, alarms, recovery. It moves nothing."""
