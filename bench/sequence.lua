-- for wrk: asks for the paths of a file (the argument after --), in their order, over and over

local requests, last = {}, 0

function init(args)
    for path in io.lines(args[1]) do
        requests[#requests + 1] = wrk.format("GET", path)
    end
end

function request()
    last = last % #requests + 1
    return requests[last]
end
