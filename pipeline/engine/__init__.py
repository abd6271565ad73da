"""From readings to scores, incidents and ageing: the machines' networks and what people say to them. Pure."""
