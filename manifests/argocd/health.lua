-- Health of a MessagingServer for Argo CD, which knows nothing of kinds that are not its own: put it into argocd-cm as
-- resource.customizations.health.mailward.dev_MessagingServer (README beside this file). A server that serves although
-- something is amiss is Degraded here, so that a sync that broke something shows.
local function found(conditions, name)
  for _, condition in ipairs(conditions) do
    if condition.type == name then
      return condition
    end
  end
  return { status = "Unknown", reason = "", message = "" }
end

local health = { status = "Progressing", message = "nobody has reported yet" }
if obj.status == nil or obj.status.conditions == nil then
  return health
end
local ready = found(obj.status.conditions, "Ready")
local degraded = found(obj.status.conditions, "Degraded")
local stalled = found(obj.status.conditions, "Stalled")
local valid = found(obj.status.conditions, "ConfigValid")
local suspended = found(obj.status.conditions, "Suspended")
local reconciling = found(obj.status.conditions, "Reconciling")

local function says(status, condition)
  return { status = status, message = condition.reason .. ": " .. condition.message }
end

if obj.status.observedGeneration ~= obj.metadata.generation then
  health.message = "the newest generation is not observed yet"
  return health
end
if stalled.status == "True" then
  return says("Degraded", stalled)
end
if valid.status == "False" then
  return says("Degraded", valid)
end
if suspended.status == "True" then
  return says("Suspended", suspended)
end
if ready.status == "False" and ready.reason == "Held" then
  return says("Suspended", ready)
end
if reconciling.status == "True" then
  return says("Progressing", reconciling)
end
if degraded.status == "True" then
  return says("Degraded", degraded)
end
if ready.status == "True" then
  return says("Healthy", ready)
end
if ready.status == "False" then
  return says("Degraded", ready)
end
return health
