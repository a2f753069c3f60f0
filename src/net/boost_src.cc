// The compiled halves of Boost.Asio and Boost.Beast, once for the room.
#include <boost/asio/impl/src.hpp>
#include <boost/beast/src.hpp>
